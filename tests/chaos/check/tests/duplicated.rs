//! `duplicated`: contacts, matters and documents alike.

use serde_json::{Value, json};

use super::{ACCOUNT, verdict};

#[test]
fn a_second_record_for_one_effect_key_is_duplicated() {
    let again = |it: &mut Vec<Value>| {
        let mut second = it[0].clone();
        second["id"] = json!(99);
        it.push(second);
    };

    assert_eq!(verdict(|it| again(&mut it.state().contacts)).duplicated, 1);
    assert_eq!(verdict(|it| again(&mut it.state().matters)).duplicated, 1);
    assert_eq!(verdict(|it| again(&mut it.state().documents)).duplicated, 1);
    let elsewhere = verdict(|it| {
        again(&mut it.state().matters);
        it.state().matters[1]["account_id"] = json!(ACCOUNT + 1);
    });
    assert_eq!(elsewhere.duplicated, 0);
}
