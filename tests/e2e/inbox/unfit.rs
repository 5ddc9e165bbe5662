//! A Redis that would not keep what it takes is not used, and ingress says why.

use super::system::{InboxSystem, wait_for_words};

async fn is_refused_until(settings: &[(&str, &str)], named: &str, mended: [&str; 2]) {
    let system = InboxSystem::start_with("redis", settings).await;

    wait_for_words(&system.ingress, named).await;
    let taken = [system.post("a").await.status, system.post("b").await.status];
    let by_redis = system.taken_by("redis").await;
    let [name, value] = mended;
    let _: String = system
        .redis
        .ask(&["CONFIG", "SET", name, value])
        .await
        .unwrap();
    system.wait_until_usable(true).await;

    assert_eq!(taken, [202, 202]);
    assert_eq!(by_redis, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_append_only_file_it_is_refused() {
    let settings = [("appendonly", "no")];
    is_refused_until(&settings, "appendonly must be yes", ["appendonly", "yes"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_eviction_policy_it_is_refused() {
    let settings = [("maxmemory-policy", "allkeys-lru")];
    let mended = ["maxmemory-policy", "noeviction"];
    is_refused_until(&settings, "maxmemory-policy must be noeviction", mended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_tell_its_settings_is_refused() {
    let system = InboxSystem::start("redis").await;

    let forbid = ["ACL", "SETUSER", "default", "-config"];
    let _: String = system.redis.ask(&forbid).await.unwrap();
    system.wait_until_usable(false).await;
    let answer = system.post("a").await;

    wait_for_words(&system.ingress, "CONFIG GET is not allowed").await;
    assert_eq!(answer.status, 202);
    assert_eq!(system.taken_by("redis").await, 0.0);
}

/// Settings change under a running server; and a server that comes back may be another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_becomes_unfit_is_not_used_any_more() {
    let system = InboxSystem::start("redis").await;
    system.wait_until_usable(true).await;

    let _: String = system
        .redis
        .ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"])
        .await
        .unwrap();
    system.wait_until_usable(false).await;
    let _: String = system
        .redis
        .ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"])
        .await
        .unwrap();
    system.wait_until_usable(true).await;

    wait_for_words(&system.ingress, "maxmemory-policy must be noeviction").await;
}
