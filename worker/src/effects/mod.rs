#![doc = include_str!("README.md")]

mod adopt;
mod claim;
mod ensure;
mod gone;

pub(crate) use adopt::suspected;
pub(crate) use claim::Look;
pub(crate) use ensure::{Ensured, FIRST_LOOK, How, Record};
