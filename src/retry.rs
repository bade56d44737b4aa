//! Whether and when a failed load is tried again.
//!
//! Exponential backoff with full jitter (Brooker: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), and a budget shared by all
//! loads so that a dead source is not hammered: each load deposits a fraction of a retry, each retry takes a whole one (after Finagle's
//! `RetryBudget`).

use crate::random::Random;
use crate::time::Millis;

/// How the loads of one batch are tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryTerms {
    /// Tries of one load, the first one included.
    pub attempts: u32,
    /// The backoff before the first retry; doubled for each further one.
    pub backoff: Millis,
    pub backoff_max: Millis,
    /// How much of the backoff is left to chance: 0 none, 1 all of it.
    pub jitter: f64,
}

impl RetryTerms {
    pub const NEVER: Self = Self { attempts: 1, backoff: Millis::ZERO, backoff_max: Millis::ZERO, jitter: 0.0 };

    /// How long to wait after `tries` tries. A hint of the source is a lower bound.
    pub fn delay(&self, tries: u32, hint: Option<Millis>, random: &mut Random) -> Millis {
        let doublings = tries.saturating_sub(1).min(1023) as i32;
        let ceiling = libm::ldexp(self.backoff.0, doublings).min(self.backoff_max.0);
        let delay = ceiling * (1.0 - self.jitter * random.unit());
        Millis(hint.map_or(delay, |hint| delay.max(hint.0)))
    }
}

/// How many retries there are for all loads together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetConfig {
    /// Retries earned by each load.
    pub ratio: f64,
    /// Retries there are to begin with, and the most that can be saved.
    pub burst: f64,
}

#[derive(Clone, Debug)]
pub struct RetryBudget {
    config: BudgetConfig,
    tokens: f64,
}

impl RetryBudget {
    #[must_use]
    pub fn new(config: BudgetConfig) -> Self {
        Self { config, tokens: config.burst }
    }

    /// A load was called for the first time.
    pub fn deposit(&mut self) {
        self.tokens = (self.tokens + self.config.ratio).min(self.config.burst);
    }

    /// Takes a retry, if there is one left.
    pub fn withdraw(&mut self) -> bool {
        let granted = self.tokens >= 1.0;
        if granted {
            self.tokens -= 1.0;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: RetryTerms = RetryTerms { attempts: 5, backoff: Millis(100.0), backoff_max: Millis(1000.0), jitter: 1.0 };

    #[test]
    fn backoff_doubles_up_to_its_maximum_and_jitter_takes_off_it() {
        let mut random = Random::new(1);
        for (tries, ceiling) in [(1, 100.0), (2, 200.0), (4, 800.0), (5, 1000.0), (5000, 1000.0)] {
            let delays: Vec<f64> = (0..1000).map(|_| TERMS.delay(tries, None, &mut random).0).collect();
            assert!(delays.iter().all(|delay| (0.0..=ceiling).contains(delay)));
            let mean = delays.iter().sum::<f64>() / 1000.0;
            assert!((0.4..0.6).contains(&(mean / ceiling)), "mean {mean} of {ceiling}");
            let firm = RetryTerms { jitter: 0.0, ..TERMS }.delay(tries, None, &mut random);
            assert_eq!(firm, Millis(ceiling));
        }
    }

    #[test]
    fn a_hint_is_a_lower_bound() {
        let delay = TERMS.delay(1, Some(Millis(5000.0)), &mut Random::new(1));
        assert_eq!(delay, Millis(5000.0));
    }

    #[test]
    fn budget_is_earned_by_loads_and_bounded() {
        let mut budget = RetryBudget::new(BudgetConfig { ratio: 0.5, burst: 2.0 });
        assert!(budget.withdraw() && budget.withdraw() && !budget.withdraw());
        budget.deposit();
        assert!(!budget.withdraw());
        budget.deposit();
        assert!(budget.withdraw());
        (0..100).for_each(|_| budget.deposit());
        assert!(budget.withdraw() && budget.withdraw() && !budget.withdraw());
    }
}
