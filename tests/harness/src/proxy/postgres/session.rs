//! What a connection is doing, read from its messages: prepared statements, the transaction, and
//! which answer belongs to which statement.

use std::collections::{HashMap, VecDeque};

use super::message::Message;
use crate::proxy::label;
use crate::proxy::link::Answer;

#[derive(Debug, Default)]
pub(super) struct Session {
    prepared: HashMap<String, String>,
    portals: HashMap<String, String>,
    transaction: Option<Transaction>,
    transactions: u64,
    /// What a statement outside of any transaction did: it commits with the next Sync.
    alone: Option<Meaning>,
    /// What the server has still to answer; each exchange ends with ReadyForQuery.
    exchanges: VecDeque<Exchange>,
    /// Executes since the last Sync.
    collecting: VecDeque<Statement>,
}

#[derive(Debug, Default)]
struct Transaction {
    number: u64,
    queue_function: Option<String>,
    table: Option<String>,
    function: Option<String>,
    rows: u64,
}

#[derive(Debug, Default)]
struct Exchange {
    statements: VecDeque<Statement>,
    simple: bool,
}

#[derive(Debug, Default)]
struct Statement {
    /// The transaction whose rows it returns, if they count.
    counts_for: Option<u64>,
    answer: Option<Answer>,
}

/// What a message of the client means to the walk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// `rows` of a statement that commits by itself are not counted: they come with the answer.
    Commit {
        label: String,
        rows: u64,
    },
    Nothing,
}

impl Session {
    pub(super) fn sent(&mut self, message: &Message) -> Meaning {
        match message.tag() {
            b'P' => {
                self.prepared
                    .insert(message.text(0).to_owned(), message.text(1).to_owned());
            }
            b'B' => {
                let text = self
                    .prepared
                    .get(message.text(1))
                    .cloned()
                    .unwrap_or_default();
                self.portals.insert(message.text(0).to_owned(), text);
            }
            b'E' => {
                let text = self
                    .portals
                    .get(message.text(0))
                    .cloned()
                    .unwrap_or_default();
                let is_alone = self.transaction.is_none();
                let (statement, meaning) = self.run(&text);
                self.collecting.push_back(statement);
                if !is_alone {
                    return meaning;
                }
                self.alone = self.alone.take().or(Some(meaning)).filter(Meaning::is_step);
            }
            b'S' => {
                self.end_exchange(false);
                return self.alone.take().unwrap_or(Meaning::Nothing);
            }
            b'Q' => {
                let (statement, meaning) = self.run(message.text(0));
                self.collecting.push_back(statement);
                self.end_exchange(true);
                return meaning;
            }
            _ => {}
        }
        Meaning::Nothing
    }

    /// What the answer to the statement last sent must meet.
    pub(super) fn expect(&mut self, answer: Answer) {
        let newest = match self.collecting.back_mut() {
            Some(statement) => Some(statement),
            None => self
                .exchanges
                .back_mut()
                .and_then(|exchange| exchange.statements.back_mut()),
        };
        if let Some(statement) = newest {
            statement.answer = Some(answer);
        }
    }

    /// Counts rows that say that something was found (their last column is not null); answers what the message must meet, if it is the answer to a COMMIT.
    pub(super) fn received(&mut self, message: &Message) -> Option<Answer> {
        match message.tag() {
            b'D' if !message.ends_with_null() => self.count_row(),
            b'C' | b'E' | b'I' | b's' => {
                // A Flush without Sync lets answers come while the exchange is still open.
                let (statements, simple) = match self.exchanges.front_mut() {
                    Some(exchange) => (&mut exchange.statements, exchange.simple),
                    None => (&mut self.collecting, false),
                };
                let answer = statements
                    .front_mut()
                    .and_then(|statement| statement.answer.take());
                if !simple {
                    statements.pop_front();
                }
                return answer;
            }
            b'Z' => {
                self.exchanges.pop_front();
            }
            _ => {}
        }
        None
    }

    fn end_exchange(&mut self, simple: bool) {
        let statements = std::mem::take(&mut self.collecting);
        self.exchanges.push_back(Exchange { statements, simple });
    }

    fn count_row(&mut self) {
        let statements = self
            .exchanges
            .front()
            .map_or(&self.collecting, |exchange| &exchange.statements);
        let counts_for = statements
            .front()
            .and_then(|statement| statement.counts_for);
        if let Some(transaction) = self.transaction.as_mut()
            && counts_for == Some(transaction.number)
        {
            transaction.rows += 1;
        }
    }

    fn run(&mut self, text: &str) -> (Statement, Meaning) {
        let silent = Statement::default();
        match (Verb::of(text), self.transaction.as_mut()) {
            (Verb::Begin, _) => {
                self.transactions += 1;
                let number = self.transactions;
                self.transaction = Some(Transaction {
                    number,
                    ..Transaction::default()
                });
                (silent, Meaning::Nothing)
            }
            (Verb::Commit, Some(transaction)) => {
                let (label, rows) = (transaction.label(), transaction.rows);
                self.transaction = None;
                (silent, Meaning::Commit { label, rows })
            }
            (Verb::Rollback, _) => {
                self.transaction = None;
                (silent, Meaning::Nothing)
            }
            (Verb::Other, Some(transaction)) => {
                transaction.note(text);
                let counts_for = Some(transaction.number);
                (
                    Statement {
                        counts_for,
                        answer: None,
                    },
                    Meaning::Nothing,
                )
            }
            (Verb::Other, None) => {
                let mut alone = Transaction::default();
                alone.note(text);
                let (label, rows) = (alone.label(), 0);
                (silent, Meaning::Commit { label, rows })
            }
            (Verb::Setting, _) | (Verb::Commit, None) => (silent, Meaning::Nothing),
        }
    }
}

impl Meaning {
    fn is_step(&self) -> bool {
        matches!(self, Self::Commit { .. })
    }
}

impl Transaction {
    fn note(&mut self, text: &str) {
        self.queue_function = self
            .queue_function
            .take()
            .or_else(|| label::queue_function(text));
        self.table = self.table.take().or_else(|| label::table(text));
        self.function = self.function.take().or_else(|| label::function(text));
    }

    fn label(&self) -> String {
        let named = [&self.queue_function, &self.table, &self.function];
        let name = named.into_iter().find_map(|name| name.as_deref());
        format!("COMMIT {}", name.unwrap_or("other"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Begin,
    Commit,
    Rollback,
    /// Concerns the session only; its rows are no work.
    Setting,
    Other,
}

impl Verb {
    fn of(text: &str) -> Self {
        // The service begins with several statements in one message: the first one says what it is.
        let first = text.trim().split(';').next().unwrap_or_default();
        let text = first.to_ascii_lowercase();
        let words: Vec<&str> = text.split_whitespace().take(3).collect();
        match words.as_slice() {
            ["begin", ..] | ["start", "transaction", ..] => Self::Begin,
            ["commit" | "end", ..] => Self::Commit,
            ["rollback", "to", ..] => Self::Setting,
            ["rollback" | "abort", ..] => Self::Rollback,
            ["select", call, ..] if call.starts_with("set_config(") => Self::Setting,
            [
                "set" | "reset" | "show" | "savepoint" | "release" | "listen" | "unlisten",
                ..,
            ] => Self::Setting,
            [] | ["discard" | "deallocate" | "close", ..] => Self::Setting,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, texts: &[&str]) -> Message {
        let mut bytes = vec![tag, 0, 0, 0, 0];
        for text in texts {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        }
        Message { bytes }
    }

    fn say(session: &mut Session, tag: u8, texts: &[&str]) -> Meaning {
        session.sent(&message(tag, texts))
    }

    fn answers(session: &mut Session, tags: &[u8]) {
        for tag in tags {
            assert!(session.received(&message(*tag, &[])).is_none());
        }
    }

    #[test]
    fn a_commit_is_named_by_what_its_transaction_did_and_counts_its_rows() {
        let mut session = Session::default();

        say(&mut session, b'Q', &["BEGIN"]);
        say(
            &mut session,
            b'P',
            &["s1", "select set_config('app.firm_id', $1, true)"],
        );
        say(&mut session, b'B', &["", "s1"]);
        say(&mut session, b'E', &[""]);
        say(&mut session, b'S', &[]);
        say(&mut session, b'P', &["s2", "select * from queue_lease($1)"]);
        say(&mut session, b'B', &["", "s2"]);
        say(&mut session, b'E', &[""]);
        say(&mut session, b'S', &[]);
        answers(&mut session, b"CZ1T2DCZ12DDDCZ");

        let meaning = say(&mut session, b'Q', &["COMMIT"]);
        assert_eq!(
            meaning,
            Meaning::Commit {
                label: "COMMIT queue_lease".into(),
                rows: 3
            }
        );
    }

    #[test]
    fn an_error_does_not_shift_the_counting_of_later_statements() {
        let mut session = Session::default();

        say(&mut session, b'P', &["bad", "insert into a select 1"]);
        say(&mut session, b'B', &["", "bad"]);
        say(&mut session, b'E', &[""]);
        say(&mut session, b'E', &[""]);
        say(&mut session, b'S', &[]);
        answers(&mut session, b"12EZ");
        say(&mut session, b'Q', &["begin"]);
        say(&mut session, b'Q', &["update jobs set a = 1 returning a"]);
        answers(&mut session, b"CZTDDCZ");

        let meaning = say(&mut session, b'Q', &["commit;"]);
        assert_eq!(
            meaning,
            Meaning::Commit {
                label: "COMMIT jobs".into(),
                rows: 2
            }
        );
    }

    #[test]
    fn a_statement_outside_of_a_transaction_commits_by_itself_with_its_sync() {
        let mut session = Session::default();
        let commit = |name: &str| Meaning::Commit {
            label: format!("COMMIT {name}"),
            rows: 0,
        };

        assert_eq!(
            say(&mut session, b'Q', &["SET role casehug_none"]),
            Meaning::Nothing
        );
        assert_eq!(
            say(&mut session, b'Q', &["delete from events"]),
            commit("events")
        );
        say(
            &mut session,
            b'P',
            &["s1", "select * from queue_permit($1)"],
        );
        assert_eq!(say(&mut session, b'S', &[]), Meaning::Nothing);
        say(&mut session, b'B', &["", "s1"]);
        assert_eq!(say(&mut session, b'E', &[""]), Meaning::Nothing);
        assert_eq!(say(&mut session, b'S', &[]), commit("queue_permit"));
        assert_eq!(say(&mut session, b'S', &[]), Meaning::Nothing);
        say(&mut session, b'Q', &["begin"]);
        say(&mut session, b'Q', &["rollback"]);
        assert_eq!(say(&mut session, b'Q', &["commit"]), Meaning::Nothing);
    }
}
