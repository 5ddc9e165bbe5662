//! All states that were reached, each once, and from which each was reached first.

use crate::state::packed::Packed;

/// The states, in the order in which they were found.
#[derive(Debug)]
pub struct Store {
    states: Vec<Packed>,
    from: Vec<u32>,
    /// Open addressing: a state's number and 1, or 0.
    table: Vec<u32>,
}

fn hash(state: &Packed) -> usize {
    let mixed = state.iter().fold(0x9E37_79B9_7F4A_7C15, |hash: u64, word| {
        let hash = (hash ^ word).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        hash ^ hash >> 32
    });
    mixed as usize
}

impl Store {
    /// With the first state.
    #[must_use]
    pub fn new(first: &Packed) -> Self {
        let mut store = Self {
            states: Vec::new(),
            from: Vec::new(),
            table: vec![0; 1 << 16],
        };
        store.add(first, 0);
        store
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Never: the first state is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// A state by its number.
    #[must_use]
    pub fn get(&self, number: u32) -> &Packed {
        &self.states[number as usize]
    }

    /// The state's number, and whether it is new.
    pub fn add(&mut self, state: &Packed, from: u32) -> (u32, bool) {
        if self.len() * 2 >= self.table.len() {
            self.grow();
        }
        let mask = self.table.len() - 1;
        let mut at = hash(state) & mask;
        while self.table[at] != 0 {
            let number = self.table[at] - 1;
            if self.get(number) == state {
                return (number, false);
            }
            at = (at + 1) & mask;
        }
        let number = self.len() as u32;
        self.table[at] = number + 1;
        self.states.push(*state);
        self.from.push(from);
        (number, true)
    }

    fn grow(&mut self) {
        let mask = self.table.len() * 2 - 1;
        let mut table = vec![0; mask + 1];
        for (number, state) in (1..).zip(&self.states) {
            let mut at = hash(state) & mask;
            while table[at] != 0 {
                at = (at + 1) & mask;
            }
            table[at] = number;
        }
        self.table = table;
    }

    /// A shortest way from the first state, both included.
    #[must_use]
    pub fn way(&self, to: u32) -> Vec<u32> {
        let mut way = vec![to];
        while let Some(last) = way.last().copied().filter(|last| *last != 0) {
            way.push(self.from[last as usize]);
        }
        way.reverse();
        way
    }
}
