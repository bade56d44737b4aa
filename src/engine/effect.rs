//! What the wrapper is to do, in order.

/// One thing to do. Four words, so that JavaScript reads a list of them in place, through one view: the tag, then the fields in the
/// order they are declared.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Call the flight's own callback; its end is told as call `place`, `generation`.
    StartOne { place: u32, generation: u32, flight: u32 } = 0,
    /// Call the group callback for the `members` flights that follow.
    StartGroup { place: u32, generation: u32, members: u32 } = 1,
    /// A flight of the effect before.
    Member { flight: u32 } = 2,
    /// The answer of the flight is the result of the request that led it.
    DeliverLed { batch: u32, index: u32, flight: u32 } = 3,
    /// The answer of the flight is the result of a request that shared it.
    DeliverJoined { batch: u32, index: u32, flight: u32 } = 4,
    /// All requests of the batch are answered; its calls held slots for `busy_us` microseconds together.
    Done { batch: u32, busy_us: u32 } = 5,
    /// Keep the value of `from` (a flight, or a position in the list being set) in `slot`; it stays valid for as many milliseconds as the bits
    /// of `ttl` say as an `f32`.
    Store { slot: u32, from: u32, ttl: u32 } = 6,
    /// Forget the value in `slot`.
    Clear { slot: u32 } = 7,
    /// Nobody wants the call's answer any longer: abort its signal. Its end is still to be told, for its slot.
    Abort { place: u32, generation: u32 } = 8,
    /// The call's deadline has come: settle what it has not answered as failed.
    TimeOut { place: u32, generation: u32 } = 9,
    /// The batch's deadline has come: reject it, and leave.
    TimeOutBatch { batch: u32 } = 10,
    /// The flight has ended; its number will be used again.
    Release { flight: u32 } = 11,
    /// The request would wait for itself, by way of the `members` flights that follow: reject it.
    Cycle { batch: u32, index: u32, members: u32 } = 12,
    /// The call could not start before its members' deadline: settle them as failed.
    TimeOutQueued { place: u32, generation: u32, members: u32 } = 14,
    /// Keep the failure of the flight `from` in `slot`.
    StoreFailure { slot: u32, from: u32 } = 15,
    /// The call will not start; the members that follow are to be settled as failed: there is no token for another `retry_ms`, or with
    /// [`OVERLOADED`](super::OVERLOADED) too many wait already.
    Refuse { place: u32, generation: u32, retry_ms: u32 } = 16,
    /// The load failed; the expired entry in `slot` is the request's result instead.
    DeliverStale { batch: u32, index: u32, slot: u32 } = 13,
}
