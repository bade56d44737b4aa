//! Integers of different meaning are different types.

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            #[must_use]
            pub fn at(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

ids! {
    /// A place in an index, and with it in JavaScript's array of values.
    Slot
    /// A load of one key, from the request that leads it until its last waiter is answered.
    FlightId
    /// One call of the public API that waits for something.
    BatchId
    /// One request waiting for a flight.
    WaiterId
    /// A deadline that can be cancelled.
    TimerId
}

/// One run of a JavaScript callback. Places are used again, so what ends a call presents the generation it was started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId {
    pub place: u32,
    pub generation: u32,
}

/// Stands for "none" where ids are kept in bare arrays.
pub const NONE: u32 = u32::MAX;
