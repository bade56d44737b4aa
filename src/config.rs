//! How an engine is set up: plain numbers, already checked by the wrapper's one declaration of the options.

use crate::adaptive::concurrency::Range;
use crate::retry::BudgetConfig;
use crate::time::Millis;

/// Durations in milliseconds, infinite where a bound is missing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    pub max_entries: f64,
    pub max_weight: f64,
    /// What an entry lives whose request does not say.
    pub ttl: f64,
    /// The same for `null`s; as any value's if missing.
    pub negative_ttl: Option<f64>,
    /// What a failure lives; 0: failures are not kept.
    pub error_ttl: f64,
    /// The part of a TTL, 0 to 1, that chance may take off it.
    pub ttl_jitter: f64,
    /// A use makes an entry live its TTL from then on.
    pub sliding: bool,
    /// How eagerly entries are refreshed before they expire: 1 is the optimum for evenly spread readers, 0 never.
    pub early_refresh: f64,
    pub retry_budget: BudgetConfig,
    /// Most callbacks at once, of all batches.
    pub max_concurrency: f64,
    /// Most calls that may wait for a slot.
    pub max_queue: f64,
    /// Between these, how many callbacks run at once finds itself; all 0: it does not.
    pub adaptive: Range,
    /// Up to so many, how many keys a group fetch gets finds itself; 0: it does not.
    pub adaptive_keys: f64,
    /// Who leaves is decided by what would have hit most; else the least recently used do.
    pub dueling: bool,
}

impl Config {
    #[must_use]
    pub fn entries_max(&self) -> usize {
        // Slots are 32-bit and one value means "none".
        if self.max_entries < f64::from(u32::MAX - 1) { self.max_entries as usize } else { (u32::MAX - 1) as usize }
    }

    #[must_use]
    pub fn weight_max(&self) -> u64 {
        if self.max_weight.is_finite() { self.max_weight as u64 } else { u64::MAX }
    }

    /// What a value lives whose waiters asked for `ttl`.
    #[must_use]
    pub fn ttl_of(&self, ttl: Option<Millis>, null: bool) -> Millis {
        match self.negative_ttl {
            // Who asks that nothing be stored means nulls, too.
            Some(negative) if null && ttl != Some(Millis::ZERO) => Millis(negative),
            _ => ttl.unwrap_or(Millis(self.ttl)),
        }
    }
}
