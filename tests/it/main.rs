#![allow(missing_docs, reason = "a test is documented by its name")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where it is surprised")]
#![allow(clippy::too_many_lines, reason = "a table of cases is read at one go")]
#![allow(clippy::cast_possible_truncation, reason = "tests count to thousands")]
//! Everything that needs a store, a server or the real binary, in one program.

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod audit;
mod azurite;
mod bad_files;
mod blobs;
mod cache;
mod cache_protocol;
mod cache_random;
mod cache_shared;
mod command_line;
mod contract_ahead;
mod contract_identity;
mod contract_runs;
mod contract_shared;
mod contract_store;
mod contract_store_id;
mod contract_writes;
mod credentials;
mod data_set;
mod deliveries;
mod firebase;
mod firebase_people;
mod functions;
mod host;
mod http;
mod http_bad_input;
mod http_semantics;
mod imports;
mod imports_over_http;
mod instances;
mod instances_faults;
mod key_vault;
mod key_vault_later;
mod key_vault_logins;
mod key_vault_process;
mod kills;
mod load;
mod maintenance;
mod openapi;
mod openapi_live;
mod package;
mod pages;
mod people;
mod race;
mod readiness;
mod redis;
mod redis_away;
mod redis_reads;
mod retries_over_http;
mod search;
mod secrets;
mod simulated_host;
mod sqlite;
mod sqlserver;
mod sqlserver_cuts;
mod sqlserver_faults;
mod stats;
mod stopping;
mod stream;
mod telemetry;
mod telemetry_parts;
mod through_host;
mod watched_folder;
mod writes;
