//! A queue of connections from which any of them can be removed in constant time.

use std::collections::{HashMap, VecDeque};

use uuid::Uuid;

/// Up to 64 gaps are not worth closing.
const FEW: usize = 64;

/// First in, first out. A connection removed from the middle leaves a gap, which `pop_front` skips.
#[derive(Debug, Default)]
pub(super) struct RemovableFifo {
    tickets: VecDeque<(Uuid, u64)>,
    waiting: HashMap<Uuid, u64>,
    next: u64,
}

impl RemovableFifo {
    pub(super) fn push_back(&mut self, id: Uuid) {
        let ticket = self.admit(id);
        self.tickets.push_back((id, ticket));
    }

    pub(super) fn push_front(&mut self, id: Uuid) {
        let ticket = self.admit(id);
        self.tickets.push_front((id, ticket));
    }

    fn admit(&mut self, id: Uuid) -> u64 {
        // Each removal without a `pop_front` leaves a gap.
        if self.tickets.len() > 2 * self.waiting.len() + FEW {
            let waiting = &self.waiting;
            self.tickets
                .retain(|(id, ticket)| waiting.get(id) == Some(ticket));
        }
        self.next += 1;
        self.waiting.insert(id, self.next);
        self.next
    }

    pub(super) fn remove(&mut self, id: Uuid) {
        self.waiting.remove(&id);
        if self.waiting.is_empty() {
            self.tickets.clear();
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<Uuid> {
        loop {
            let (id, ticket) = self.tickets.pop_front()?;
            if self.waiting.get(&id) == Some(&ticket) {
                self.remove(id);
                return Some(id);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_connection_that_comes_again_is_last() {
        let mut fifo = RemovableFifo::default();
        let ids: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
        ids.iter().for_each(|id| fifo.push_back(*id));

        fifo.remove(ids[0]);
        fifo.push_back(ids[0]);

        let served: Vec<Uuid> = std::iter::from_fn(|| fifo.pop_front()).collect();
        assert_eq!(served, [ids[1], ids[2], ids[0]]);
        assert!(fifo.is_empty());
    }

    #[test]
    fn gaps_do_not_gather_while_nothing_is_popped() {
        let mut fifo = RemovableFifo::default();
        let (stays, moves) = (Uuid::from_u128(1), Uuid::from_u128(2));
        fifo.push_back(stays);

        for _ in 0..10_000 {
            fifo.push_back(moves);
            fifo.remove(moves);
        }

        assert!(fifo.tickets.len() <= 2 * FEW);
        assert_eq!(fifo.pop_front(), Some(stays));
    }
}
