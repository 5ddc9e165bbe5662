//! `model small` and `model all` explore scenarios, then take the safeguards away; `model NAME…` explores some scenarios, `model deep`
//! those with more faults, `model safeguards` none.
#![expect(clippy::print_stdout, reason = "this is what the program is for")]

use std::process::ExitCode;
use std::time::Instant;

use model::properties::{ALL, About};
use model::rules::Rules;
use model::search::{Explored, explore, explore_until};
use model::{safeguards, scenarios};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((chosen, with_safeguards)) = choose(&words) else {
        let names: Vec<&str> = scenarios::ALL.iter().map(|rules| rules.name).collect();
        println!(
            "model small | all | safeguards | NAME…, of {}",
            names.join(" ")
        );
        return ExitCode::from(2);
    };
    let mut held = true;
    for rules in chosen {
        held &= explored(rules);
    }
    if with_safeguards {
        held &= taken_away();
    }
    println!(
        "{}",
        if held {
            "model: all held"
        } else {
            "model: FAILED"
        }
    );
    ExitCode::from(u8::from(!held))
}

/// The scenarios that are meant, and whether the safeguards are.
fn choose(words: &[String]) -> Option<(Vec<&'static Rules>, bool)> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => None,
        ["all"] => Some((scenarios::ALL.iter().collect(), true)),
        ["deep"] => Some((scenarios::DEEP.iter().collect(), false)),
        ["safeguards"] => Some((Vec::new(), true)),
        ["small"] => Some((scenarios_of(scenarios::SMALL)?, true)),
        names => Some((scenarios_of(names)?, false)),
    }
}

fn scenarios_of(names: &[&str]) -> Option<Vec<&'static Rules>> {
    names.iter().map(|name| scenarios::find(name)).collect()
}

/// Explores one scenario and says what came of it. True when everything held.
fn explored(rules: &Rules) -> bool {
    let began = now();
    let explored = explore(rules);
    println!("{}", line(rules.name, &explored, began));
    let mut held = explored.is_complete;
    for about in ALL {
        held &= property(about, &explored);
    }
    match &explored.restless {
        None => println!("  holds    from every state the service alone comes to rest"),
        Some((count, way)) => {
            held = false;
            println!("  REACHED  {count} states from which it never comes to rest; the nearest:");
            tell(way);
        }
    }
    held
}

fn line(name: &str, explored: &Explored, began: Instant) -> String {
    format!(
        "{name:<20} {:>9} states {:>9} transitions  depth {:>3}  {:>5.1} s  {}",
        explored.states,
        explored.transitions,
        explored.depth,
        began.elapsed().as_secs_f64(),
        if explored.is_complete {
            "complete"
        } else {
            "CUT SHORT"
        },
    )
}

fn property(about: &About, explored: &Explored) -> bool {
    let mut findings = explored.findings.iter();
    let found = findings.find(|finding| finding.property == about.property);
    match (found, about.accepted) {
        (None, None) => println!("  holds    never: {}", about.name),
        (None, Some(_)) => {}
        (Some(_), Some(why)) => println!("  note     {}: {why}", about.name),
        (Some(finding), None) => {
            println!("  REACHED  {}; a shortest way:", about.name);
            tell(&finding.way);
            return false;
        }
    }
    true
}

fn tell(way: &[String]) {
    for (nth, step) in way.iter().enumerate() {
        println!("           {:>3}. {step}", nth + 1);
    }
}

/// Takes each safeguard away. True when what follows was found each time.
fn taken_away() -> bool {
    let mut found = true;
    for taken in safeguards::ALL {
        let began = now();
        let explored = explore_until(&taken.rules(), taken.leads_to);
        let mut findings = explored.findings.iter();
        let finding = findings.find(|finding| finding.property == taken.leads_to);
        let name = ALL.iter().find(|about| about.property == taken.leads_to);
        let name = name.map_or("", |about| about.name);
        let seconds = began.elapsed().as_secs_f64();
        let Some(finding) = finding else {
            found = false;
            println!(
                "without {}: NOT FOUND in {} ({name})",
                taken.name, taken.scenario
            );
            continue;
        };
        println!(
            "without {}: found in {}, {} steps, {} states, {seconds:.1} s: {name}",
            taken.name,
            taken.scenario,
            finding.way.len(),
            explored.states
        );
    }
    found
}

#[expect(
    clippy::disallowed_methods,
    reason = "seconds for the results; nothing depends on them"
)]
fn now() -> Instant {
    Instant::now()
}
