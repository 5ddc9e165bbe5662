//! Bad days: refusals, outages, deleted records, lost tokens; each ends as the product's words say.

mod sign_in;
mod tokens;

mod answers;
mod refusals;
mod releases;

mod documents;
mod records;

mod stops;
