//! A line that can be left from the middle without searching for the place.

use std::collections::{HashMap, VecDeque};

use uuid::Uuid;

/// So many gaps are not worth closing.
const FEW: usize = 64;

/// A line of connections. Who leaves it from the middle leaves a gap, which is skipped when its turn comes.
#[derive(Debug, Default)]
pub(super) struct Line {
    tickets: VecDeque<(Uuid, u64)>,
    standing: HashMap<Uuid, u64>,
    next: u64,
}

impl Line {
    pub(super) fn push_back(&mut self, id: Uuid) {
        let ticket = self.admit(id);
        self.tickets.push_back((id, ticket));
    }

    pub(super) fn push_front(&mut self, id: Uuid) {
        let ticket = self.admit(id);
        self.tickets.push_front((id, ticket));
    }

    fn admit(&mut self, id: Uuid) -> u64 {
        // Who comes and goes while nobody is served leaves a gap each time.
        if self.tickets.len() > 2 * self.standing.len() + FEW {
            let standing = &self.standing;
            self.tickets
                .retain(|(id, ticket)| standing.get(id) == Some(ticket));
        }
        self.next += 1;
        self.standing.insert(id, self.next);
        self.next
    }

    pub(super) fn leave(&mut self, id: Uuid) {
        self.standing.remove(&id);
        if self.standing.is_empty() {
            self.tickets.clear();
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<Uuid> {
        loop {
            let (id, ticket) = self.tickets.pop_front()?;
            if self.standing.get(&id) == Some(&ticket) {
                self.leave(id);
                return Some(id);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.standing.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_and_comes_again_stands_at_the_end() {
        let mut line = Line::default();
        let ids: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
        ids.iter().for_each(|id| line.push_back(*id));

        line.leave(ids[0]);
        line.push_back(ids[0]);

        let served: Vec<Uuid> = std::iter::from_fn(|| line.pop_front()).collect();
        assert_eq!(served, [ids[1], ids[2], ids[0]]);
        assert!(line.is_empty());
    }

    #[test]
    fn gaps_do_not_gather_while_nobody_is_served() {
        let mut line = Line::default();
        let (stays, moves) = (Uuid::from_u128(1), Uuid::from_u128(2));
        line.push_back(stays);

        for _ in 0..10_000 {
            line.push_back(moves);
            line.leave(moves);
        }

        assert!(line.tickets.len() <= 2 * FEW);
        assert_eq!(line.pop_front(), Some(stays));
    }
}
