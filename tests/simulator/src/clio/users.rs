//! Users: who is connected.

use serde_json::{Value, json};

use super::{Outcome, call::Call, not_found, row::etag, schema::SCHEMA, world::World};
use crate::answer::Answer;

pub(super) fn who_am_i(world: &World, call: &Call<'_>) -> Outcome {
    call.check_query(&SCHEMA.user.show)?;
    let selection = call.selection(&SCHEMA.user)?;
    match view(world, call.user_id) {
        Value::Null => Err(not_found("user", call.user_id)),
        view => Ok(Answer::json(200, json!({"data": selection.of(&view)}))
            .header("ETag", etag(call.user_id, 1))),
    }
}

/// Null if there is no such user.
pub(super) fn view(world: &World, user_id: u64) -> Value {
    let Some(user) = world.tables.users.get(&user_id) else {
        return Value::Null;
    };
    let account = world.tables.accounts.get(&user.account_id);
    json!({
        "id": user_id,
        "etag": etag(user_id, 1),
        "name": format!("{} {}", user.first_name, user.last_name),
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "enabled": true,
        "account_owner": true,
        "subscription_type": "Attorney",
        "account": {
            "id": user.account_id,
            "etag": etag(user.account_id, 1),
            "name": account.map(|account| account.name.clone()),
        },
    })
}
