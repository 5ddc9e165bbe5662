//! Names of steps that stay the same from run to run.

/// `METHOD path` without query, with `{id}` for what differs between runs.
pub(super) fn request(method: &str, target: &str) -> String {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let segments: Vec<&str> = path.split('/').collect();
    if let Some(at) = segments.iter().position(|segment| *segment == "storage") {
        return format!("{method} {}", segments[..=at].join("/"));
    }
    let named: Vec<String> = segments.into_iter().map(segment).collect();
    format!("{method} {}", named.join("/"))
}

fn segment(segment: &str) -> String {
    let (stem, extension) = match segment.split_once('.') {
        Some((stem, extension)) => (stem, format!(".{extension}")),
        None => (segment, String::new()),
    };
    let stem = if is_id(stem) { "{id}" } else { stem };
    format!("{stem}{extension}")
}

/// Numbers, UUIDs, and long words with digits in them (random tokens).
fn is_id(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let plain = word
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    digits > 0 && (digits == word.len() || (plain && word.len() >= 16))
}

/// The first function of the queue that a statement names.
pub(super) fn queue_function(statement: &str) -> Option<String> {
    let statement = statement.to_ascii_lowercase();
    let is_name = |character: char| character.is_ascii_lowercase() || character == '_';
    statement
        .split(|character: char| !is_name(character) && !character.is_ascii_digit())
        .find(|word| word.starts_with("queue_") && word.chars().all(is_name))
        .map(str::to_owned)
}

/// The first table (or function in its place) that a statement reads or writes.
pub(super) fn table(statement: &str) -> Option<String> {
    let spaced: String = statement
        .to_ascii_lowercase()
        .chars()
        .flat_map(set_apart)
        .collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    (0..words.len()).find_map(|at| {
        let before = at.checked_sub(1).map_or("", |at| words[at]);
        let after = words.get(at + 1)?;
        let names_table = match words[at] {
            "into" => before == "insert",
            "update" => !["for", "do", "key"].contains(&before),
            "from" => !["distinct", "epoch"].contains(&before),
            _ => false,
        };
        (names_table && *after != "only")
            .then(|| name(after))
            .flatten()
    })
}

/// The function that a statement selects alone.
pub(super) fn function(statement: &str) -> Option<String> {
    let spaced: String = statement
        .to_ascii_lowercase()
        .chars()
        .flat_map(set_apart)
        .collect();
    let mut words = spaced.split_whitespace();
    let selects = words.next() == Some("select");
    let called = words.next().filter(|_| selects)?;
    (words.next() == Some("(")).then(|| name(called)).flatten()
}

fn set_apart(character: char) -> Vec<char> {
    match character {
        '(' | ')' | ',' | ';' => vec![' ', character, ' '],
        '"' => vec![],
        other => vec![other],
    }
}

/// Without its schema; none for a parenthesis.
fn name(word: &str) -> Option<String> {
    let last = word.rsplit('.').next().unwrap_or(word);
    last.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        .then(|| last.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_two_runs_have_the_same_label() {
        let cases = [
            (
                "/clio/api/v4/contacts.json?query=a@b",
                "GET /clio/api/v4/contacts.json",
            ),
            (
                "/clio/api/v4/matters/1234567.json",
                "GET /clio/api/v4/matters/{id}.json",
            ),
            (
                "/api/v1/jobs/018f8f8e-1111-7222-8333-444455556666/retry",
                "GET /api/v1/jobs/{id}/retry",
            ),
            ("/hooks/Zk3v9QmP0aB7xT2w", "GET /hooks/{id}"),
            (
                "/api/v1/integrations/clio/sync",
                "GET /api/v1/integrations/clio/sync",
            ),
            ("/storage/abc/def?signature=1", "GET /storage"),
            ("/clio/storage/5", "GET /clio/storage"),
            ("/", "GET /"),
        ];

        for (target, label) in cases {
            assert_eq!(request("GET", target), label);
        }
    }

    #[test]
    fn a_statement_is_named_by_its_queue_function_or_first_table() {
        assert_eq!(
            queue_function("SELECT * FROM queue_lease($1, 8)").unwrap(),
            "queue_lease"
        );
        assert_eq!(
            queue_function("select public.queue_heartbeat($1)").unwrap(),
            "queue_heartbeat"
        );
        assert_eq!(queue_function("select my_queue_x()"), None);

        assert_eq!(table("insert into links (a) values ($1)").unwrap(), "links");
        assert_eq!(table("UPDATE public.\"jobs\" set a = 1").unwrap(), "jobs");
        assert_eq!(table("select 1 from (select 2) x").as_deref(), None);
        assert_eq!(table("delete from events where id = $1").unwrap(), "events");
        assert_eq!(
            table("select a from lanes for update skip locked").unwrap(),
            "lanes"
        );
        assert_eq!(table("select 1"), None);

        assert_eq!(
            function("select link_complete($1, $2) as \"held!\"").unwrap(),
            "link_complete"
        );
        assert_eq!(function("select 1"), None);
    }
}
