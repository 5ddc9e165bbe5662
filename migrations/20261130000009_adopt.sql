-- links: a firm's admin says which record at the provider is the one whose creation was in doubt (queue_adopt).
grant update (state, external_id, linked_at, looks, missing_since, next_look_at, swept) on links to casehug_firm;
