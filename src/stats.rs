//! What has happened so far, in counts.

/// Declares the fields once: the struct, their names for JavaScript, and their values in that order.
macro_rules! stats {
    ($($(#[$doc:meta])* $field:ident = $name:literal,)*) => {
        /// Counters since the engine began, and gauges of now. Every requested key is exactly one of hit, joined, deduplicated, and led; every load
        /// led ends as exactly one of succeeded, failed, and dropped.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Stats {
            $($(#[$doc])* pub $field: u64,)*
        }

        impl Stats {
            /// JavaScript's names of the fields.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];

            /// The fields' values, in the order of their names.
            #[must_use]
            pub fn values(&self) -> [f64; Self::NAMES.len()] {
                [$(self.$field as f64,)*]
            }
        }
    };
}

stats! {
    requested = "requested",
    hits = "hits",
    joined = "joined",
    deduplicated = "deduplicated",
    led = "led",
    /// Keys that were not there, and that no load was asked for.
    missed = "missed",
    succeeded = "succeeded",
    failed = "failed",
    /// Loads whose last waiter left before there was an answer.
    dropped = "dropped",
    /// Callbacks that were called.
    calls = "calls",
    /// Calls whose deadline came before their answer.
    timed_out = "timedOut",
    /// Failed tries that were, or will be, tried again.
    retried = "retried",
    /// Answers that came when nobody could use them any more.
    late = "late",
    stored = "stored",
    evicted = "evicted",
    expired = "expired",
    /// Values heavier than all that may be held.
    too_heavy = "tooHeavy",
    /// Values that were not stored because memory could not grow.
    refused = "refused",
    /// Loads whose result an invalidation, a `set`, or a newer load kept from being stored.
    fenced = "fenced",
    entries = "entries",
    weight = "weight",
    in_flight = "inFlight",
    waiting = "waiting",
    running = "running",
    /// Bytes of the engine's own structures, values not counted.
    engine_bytes = "engineBytes",
}
