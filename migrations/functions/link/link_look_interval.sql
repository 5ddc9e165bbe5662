-- How long after its last look an accepted record is looked for again: 0.5, 1, 2, 4 … 60 s.
create or replace function link_look_interval(p_looks integer) returns interval language sql immutable as $$
  select least(60, 0.5 * 2 ^ least(p_looks, 7)) * interval '1 s';
$$;
