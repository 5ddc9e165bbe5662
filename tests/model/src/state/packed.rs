//! How a state is stored: its fields one behind the other, each in a fixed number of bits.
//!
//! States are compared in this form, whole. Nothing is hashed away.

/// Words of one stored state.
pub const WORDS: usize = 15;

/// A stored state.
pub type Packed = [u64; WORDS];

/// Puts values behind each other.
#[derive(Debug, Default)]
pub struct Packer {
    words: Packed,
    at: usize,
}

impl Packer {
    /// Appends a value.
    ///
    /// # Panics
    /// The value needs more bits: the scenario is too large for this form.
    pub fn put(&mut self, value: u8, bits: usize) {
        assert!(value >> bits == 0, "{value} does not fit in {bits} bits");
        let (word, shift) = (self.at / 64, self.at % 64);
        self.words[word] |= u64::from(value) << shift;
        if shift + bits > 64 {
            self.words[word + 1] |= u64::from(value) >> (64 - shift);
        }
        self.at += bits;
    }

    /// All that was put.
    #[must_use]
    pub fn words(self) -> Packed {
        self.words
    }
}

/// What can be stored.
pub trait Pack {
    /// Appends itself.
    fn pack(&self, to: &mut Packer);
}

impl Pack for bool {
    fn pack(&self, to: &mut Packer) {
        to.put(u8::from(*self), 1);
    }
}

/// A number below 16.
impl Pack for u8 {
    fn pack(&self, to: &mut Packer) {
        to.put(*self, 4);
    }
}

/// An index below 15, or none.
impl Pack for Option<u8> {
    fn pack(&self, to: &mut Packer) {
        to.put(self.map_or(0, |index| index + 1), 4);
    }
}

impl<T: Pack, const N: usize> Pack for [T; N] {
    fn pack(&self, to: &mut Packer) {
        for item in self {
            item.pack(to);
        }
    }
}

/// Declares a struct that can be stored.
macro_rules! stored_struct {
    ($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
        pub struct $name {
            $($(#[$about])* pub $field: $type,)*
        }

        impl $crate::state::packed::Pack for $name {
            fn pack(&self, to: &mut $crate::state::packed::Packer) {
                $($crate::state::packed::Pack::pack(&self.$field, to);)*
            }
        }
    };
}

/// Declares an enum that can be stored in a number of bits.
macro_rules! stored_enum {
    ($(#[$meta:meta])* $name:ident in $bits:literal bits { $($(#[$about:meta])* $variant:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
        pub enum $name {
            $($(#[$about])* $variant,)*
        }

        impl $crate::state::packed::Pack for $name {
            fn pack(&self, to: &mut $crate::state::packed::Packer) {
                to.put(*self as u8, $bits);
            }
        }
    };
}

pub(crate) use {stored_enum, stored_struct};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_cross_a_word_are_kept_apart() {
        let stored = |values: [u8; 20]| {
            let mut to = Packer::default();
            values.iter().for_each(|value| to.put(*value, 5));
            to.words()
        };
        let mut other = [21; 20];
        other[12] = 22;

        assert_eq!(stored([21; 20]), stored([21; 20]));
        assert_ne!(stored([21; 20]), stored(other));
    }

    #[test]
    #[should_panic(expected = "does not fit")]
    fn a_number_that_is_too_large_is_refused() {
        Packer::default().put(16, 4);
    }
}
