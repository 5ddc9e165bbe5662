//! Which functions of the schema the modules follow, and which are left out.

use super::LookedAt;

/// The modules and the functions that they follow.
pub const MODULES: &[(&str, LookedAt)] = &[
    ("link_claim", super::link_claim::LOOKED_AT),
    ("link_complete", super::link_complete::LOOKED_AT),
    ("link_found_nothing", super::link_found_nothing::LOOKED_AT),
    ("link_not_sent", super::link_not_sent::LOOKED_AT),
    ("link_note_missing", super::link_note_missing::LOOKED_AT),
    ("link_supersede", super::link_supersede::LOOKED_AT),
    ("queue_cancel", super::queue_cancel::LOOKED_AT),
    ("queue_end_cancelled", super::queue_end_cancelled::LOOKED_AT),
    ("queue_enqueue", super::queue_enqueue::LOOKED_AT),
    ("queue_finish", super::queue_finish::LOOKED_AT),
    ("queue_follow_up", super::queue_follow_up::LOOKED_AT),
    ("queue_heartbeat", super::queue_heartbeat::LOOKED_AT),
    ("queue_lacks_alone", super::queue_lacks_alone::LOOKED_AT),
    ("queue_lease", super::queue_lease::LOOKED_AT),
    ("queue_permit", super::queue_permit::LOOKED_AT),
    ("queue_place", super::queue_place::LOOKED_AT),
    ("queue_refresh_lanes", super::queue_refresh_lanes::LOOKED_AT),
    ("queue_register", super::queue_register::LOOKED_AT),
    ("queue_release_lost", super::queue_release_lost::LOOKED_AT),
    ("queue_requeue", super::queue_requeue::LOOKED_AT),
    ("queue_retry", super::queue_retry::LOOKED_AT),
    ("queue_skip", super::queue_skip::LOOKED_AT),
    ("queue_take_over", super::queue_take_over::LOOKED_AT),
    ("properties", PROPERTIES),
];

/// The property of doubts follows this one.
const PROPERTIES: LookedAt = &[(
    "link/link_doubted_since.sql",
    "a80f6f977ebd8f47d5684570e9359e34c5bab6eab8d16afdc547abc417c61995",
)];

const READS: &str = "it only reads, for people or for metrics; no step follows from it";
const TIMES: &str = "it says when; the model has no clock, and any wait may be over";
const SCHEDULING: &str = "it decides which lanes are visited first; the model tries every order";
const BATCHES: &str = "a batch calls `queue_requeue` job by job, as a retry does";
const CHOICE: &str = "a person names the record that a look has found; it writes only where no lane runs at the link, and what is linked \
    is never created";
const SIGHT: &str = "it serves platforms that show a record some time after they have accepted it";

/// Functions that no module follows, and why.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("link/link_adopt.sql", CHOICE),
    (
        "link/link_find_same_bytes.sql",
        "the documents of the model hold different bytes",
    ),
    ("link/link_look_interval.sql", SIGHT),
    (
        "link/link_precedes_job.sql",
        "it decides whether a document that stands is read once more; nobody deletes documents here",
    ),
    (
        "link/link_set_swept.sql",
        "a sweep only reads at the provider, and the counter of its looks guards no effect",
    ),
    (
        "link/link_set_transferred.sql",
        "it spares a second transfer of the same bytes, which would do no harm",
    ),
    ("queue/queue_adopt.sql", CHOICE),
    (
        "queue/queue_begin_transfer.sql",
        "a transfer only counts apart under the cap",
    ),
    ("queue/queue_cause.sql", READS),
    (
        "queue/queue_confirm_permit.sql",
        "it can only withdraw a permit after a wait for a budget; the model has no budgets",
    ),
    ("queue/queue_describe.sql", READS),
    ("queue/queue_explain.sql", READS),
    ("queue/queue_failed_matching.sql", BATCHES),
    ("queue/queue_failures.sql", READS),
    ("queue/queue_firm_of.sql", READS),
    ("queue/queue_floor_slack.sql", SCHEDULING),
    (
        "queue/queue_give_back.sql",
        "a worker that drains gives back what it has not begun; nothing has happened by then",
    ),
    ("queue/queue_id_at.sql", READS),
    ("queue/queue_id_slack.sql", READS),
    ("queue/queue_lane_priority.sql", SCHEDULING),
    ("queue/queue_last_error.sql", READS),
    ("queue/queue_list.sql", READS),
    (
        "queue/queue_newest_events.sql",
        "it keeps the list of a job's events short; the model follows each event's wish itself",
    ),
    ("queue/queue_ready_connections.sql", SCHEDULING),
    ("queue/queue_run_now.sql", TIMES),
    (
        "queue/queue_touch_connections.sql",
        "it writes what people and the breaker read of a connection",
    ),
    (
        "queue/queue_tries_for_platform.sql",
        "the breaker counts attempts and pauses; both stand in the model as a lost answer and a pause",
    ),
    ("queue/queue_visits_found.sql", SCHEDULING),
    ("queue/queue_waiting_since.sql", TIMES),
    ("queue/queue_walk.sql", READS),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write;
    use std::path::PathBuf;

    use sha2::{Digest, Sha256};

    use super::*;

    const FAMILIES: [&str; 3] = ["link", "permit", "queue"];

    fn functions() -> BTreeMap<String, String> {
        let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap())
            .join("../../migrations/functions");
        let files = FAMILIES.iter().flat_map(|family| {
            let entries = std::fs::read_dir(root.join(family)).unwrap();
            entries.map(move |entry| (family, entry.unwrap()))
        });
        files
            .map(|(family, entry)| {
                let digest = Sha256::digest(std::fs::read(entry.path()).unwrap());
                let hash = digest.iter().fold(String::new(), |mut hex, byte| {
                    write!(hex, "{byte:02x}").unwrap();
                    hex
                });
                let name = entry.file_name().into_string().unwrap();
                (format!("{family}/{name}"), hash)
            })
            .collect()
    }

    fn followed() -> Vec<(&'static str, &'static str, &'static str)> {
        let of_module = |(module, files): &(&'static str, LookedAt)| {
            let module = *module;
            files.iter().map(move |(file, hash)| (*file, module, *hash))
        };
        MODULES.iter().flat_map(of_module).collect()
    }

    #[test]
    fn every_function_is_followed_or_left_out_for_a_reason() {
        let mut named: Vec<&str> = followed().iter().map(|(file, ..)| *file).collect();
        named.extend(LEFT_OUT.iter().map(|(file, _)| *file));
        named.sort_unstable();

        let functions = functions();
        let files: Vec<&str> = functions.keys().map(String::as_str).collect();
        assert_eq!(
            named, files,
            "each function of {FAMILIES:?} stands once: in the LOOKED_AT of a module of tests/model/src/statements, or in LEFT_OUT"
        );
    }

    #[test]
    fn every_function_is_as_its_module_has_seen_it() {
        let functions = functions();
        let mut changed = String::new();
        for (file, module, hash) in followed() {
            let now = functions.get(file).map_or("(no such file)", String::as_str);
            if now != hash {
                writeln!(
                    changed,
                    "{file} has changed. Look at tests/model/src (module {module}) and follow the change, \
                     run `tests/run model-all`, then renew the hash: (\"{file}\", \"{now}\")"
                )
                .unwrap();
            }
        }
        assert!(changed.is_empty(), "\n{changed}");
    }
}
