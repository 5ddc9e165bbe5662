//! Whether the service alone can come to rest from every state: without a fault, and without a person.

/// Walks back from the states of rest. Returns how many states are never met, and the first of them.
pub(super) fn restless(
    states: usize,
    edges: &[(u32, u32)],
    at_rest: &[u32],
) -> Option<(usize, u32)> {
    let (starts, sources) = by_target(states, edges);
    let mut is_met = vec![false; states];
    let mut open = at_rest.to_vec();
    for state in at_rest {
        is_met[*state as usize] = true;
    }
    while let Some(state) = open.pop() {
        let (from, to) = (starts[state as usize], starts[state as usize + 1]);
        for source in &sources[from as usize..to as usize] {
            if !is_met[*source as usize] {
                is_met[*source as usize] = true;
                open.push(*source);
            }
        }
    }
    let nearest = is_met.iter().position(|is_met| !is_met)?;
    let count = is_met.iter().filter(|is_met| !**is_met).count();
    Some((count, nearest as u32))
}

/// The sources of each state's edges, and where each state's begin.
fn by_target(states: usize, edges: &[(u32, u32)]) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0; states + 1];
    for (_, to) in edges {
        starts[*to as usize + 1] += 1;
    }
    for at in 0..states {
        starts[at + 1] += starts[at];
    }
    let mut free = starts.clone();
    let mut sources = vec![0; edges.len()];
    for (from, to) in edges {
        let at = &mut free[*to as usize];
        sources[*at as usize] = *from;
        *at += 1;
    }
    (starts, sources)
}

#[cfg(test)]
mod tests {
    use super::restless;

    #[test]
    fn a_state_that_only_goes_round_is_restless() {
        let edges = [(0, 1), (1, 2), (0, 3), (3, 4), (4, 3)];

        assert_eq!(restless(5, &edges, &[2]), Some((2, 3)));
        assert_eq!(restless(5, &edges, &[2, 4]), None);
    }
}
