//! Property tests: random interleavings of everything that happens to lanes, against a model that is a few queues in memory.
//! After each step the database and the model agree on order, holders, readiness, failed jobs and history: jobs are neither lost
//! nor doubled, a lane runs one job at a time and in order, and a stale fence changes nothing.

mod model;
mod steps;
mod system;

use proptest::collection::vec;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use steps::{Step, step};
use system::System;

const CASES: u32 = 48;
const LONGEST: usize = 80;

#[test]
fn lanes_behave_as_their_model_whatever_happens_in_whatever_order() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let system = runtime.block_on(System::start());
    let seed = seed();
    harness::say(&format!("seed {seed}"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        // A case takes a while: shrinking stops where a person can read on.
        max_shrink_iters: 300,
        ..Config::default()
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, random);

    let result = runner.run(&vec(step(), 1..LONGEST), |steps: Vec<Step>| {
        runtime.block_on(system.play(&steps))
    });

    if let Err(error) = result {
        panic!("seed {seed}: {error}");
    }
}

fn seed() -> u64 {
    std::env::var("SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_261_121)
}
