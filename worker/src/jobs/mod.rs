//! Jobs: one file each. Every job is safe to run twice, and its module says why.

mod contact;
mod matter;
mod practice_area;

pub mod refresh_token;
pub mod sweep_links;
pub mod sync_document;
pub mod sync_matter;
