//! Vitrine: a product catalogue that is imported from a file and served over HTTP.
//!
//! The modules, in reading order:
//!
//! - [`catalog`]: what the catalogue is made of: products, categories, the query of a page.
//!   Values that cannot be wrong; no I/O.
//! - [`store`]: the contract with the database; SQLite and SQL Server keep it.
//! - [`cache`]: finished answers, and the versions under which they count; [`question`]: what
//!   can be asked and how an answer is made of rows.
//! - [`writes`]: a product is written and the cache told, both or neither.
//! - [`import`]: from a CSV file to rows: reading, cleaning, checking, batches, rejects; and
//!   the folder that is watched for new files. [`imports`]: the runs of it as an administrator
//!   lists, cancels and retries them.
//! - [`http`]: the routes, and what an error looks like to a client.
//! - [`host`]: what the Functions host hands over besides HTTP.
//! - [`identity`]: who somebody is, and what proves it.
//! - [`app`]: every long-lived part, wired once; serving until the process is told to stop.
//! - [`maintenance`]: what has to be looked after now and then.
//! - [`readiness`]: whether the parts can be reached.
//! - [`settings`] and [`secrets`]: what the operator said, and a vault keeps; [`credentials`]:
//!   who the process is. [`telemetry`]: what we say.
//! - [`cli`]: the commands of `handler`. [`doctor`]: each part's line for the operator.
//! - [`generate`]: synthetic data; [`sample`]: a little of it, in the binary.
//! - [`openapi`]: what the routes take and answer, as a document.
//! - [`clock`]: the time, and one that a test can turn. [`crypto`]: whose cryptography it is.

pub mod app;
pub mod blobs;
pub mod cache;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod credentials;
pub mod crypto;
pub mod doctor;
pub mod generate;
pub mod host;
pub mod http;
pub mod identity;
pub mod import;
pub mod imports;
pub mod maintenance;
pub mod openapi;
pub mod question;
pub mod readiness;
pub mod sample;
pub mod secrets;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod writes;
