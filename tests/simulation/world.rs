//! Servers in virtual time, as their callers see them.

/// Chance, by SplitMix64: the same for every limiter that meets the same seed.
pub struct Dice(pub u64);

impl Dice {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// What chance makes of a latency: it is log-normal, ±25 %, and one call in fifty takes three times as long.
    fn jitter(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let angle = self.unit() * std::f64::consts::TAU;
        let tail = if self.unit() < 0.02 { 3.0 } else { 1.0 };
        (0.25 * radius * angle.cos()).exp() * tail
    }
}

/// A call's latency without others, in milliseconds: a round trip.
pub const TRIP: f64 = 50.0;
/// Round trips in each phase of a world.
pub const PHASE: usize = 200;

#[derive(Clone, Copy)]
pub enum World {
    /// Latency rises past as many calls at once as each phase says: twice as many take three times as long, so throughput falls, too.
    Knee(&'static [f64]),
    /// Calls beyond so many at once are rejected, in a fifth of the time of others.
    Quota(u32),
}

impl World {
    pub fn phases(self) -> usize {
        match self {
            Self::Knee(knees) => knees.len(),
            Self::Quota(_) => 1,
        }
    }

    /// How long a call takes that begins now, with so many others in flight, and whether it is answered.
    pub fn call(self, others: u32, now: f64, dice: &mut Dice) -> (f64, bool) {
        let usual = TRIP * dice.jitter();
        match self {
            Self::Knee(knees) => {
                let knee = knees[(now / TRIP) as usize / PHASE];
                (usual * (1.0 + 2.0 * (f64::from(others + 1) / knee - 1.0).max(0.0)), true)
            }
            Self::Quota(quota) if others >= quota => (usual / 5.0, false),
            Self::Quota(_) => (usual, true),
        }
    }
}
