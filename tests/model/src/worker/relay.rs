//! The relay: reads an event's facts, then enqueues its jobs.

use crate::rules::Rules;
use crate::state::{Kind, LinkState, State, matter};
use crate::statements::queue_enqueue;
use crate::step::{Act, On, Steps};

/// The relay's next step. A document whose matter is not linked brings its matter along.
pub fn steps(rules: &Rules, state: &State, out: &mut Steps) {
    let event = state.relay.event;
    let Some((lane, kind)) = rules.events.get(usize::from(event)).copied() else {
        return;
    };
    if !state.relay.has_read {
        let mut to = *state;
        to.relay.has_read = true;
        let is_linked = state.link(matter(lane)).state == LinkState::Linked;
        to.relay.linked = kind == Kind::Matter || is_linked;
        let act = Act::other(
            "relay: reads whether the matter is linked",
            On::Event(event),
        );
        out.service(act, to);
        return;
    }
    let kinds = if state.relay.linked {
        vec![kind]
    } else {
        vec![Kind::Matter, kind]
    };
    for (to, reached) in queue_enqueue::enqueue(rules, state, lane, &kinds) {
        out.reaching(Act::other("relay: enqueues", On::Event(event)), to, reached);
    }
}
