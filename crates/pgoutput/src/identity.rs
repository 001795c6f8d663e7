//! Identifiers of Postgres's objects and transactions.

use std::fmt;
use std::str::FromStr;

/// Object identifier of a relation or a type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(u32);

/// Transaction identifier of 32 bits. It wraps around, so it has no order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Xid(u32);

macro_rules! number {
    ($name:ident) => {
        impl $name {
            /// Wraps the number from the server.
            #[must_use]
            pub const fn new(number: u32) -> Self {
                Self(number)
            }

            /// The identifier as a number.
            #[must_use]
            pub const fn as_u32(self) -> u32 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

number!(Oid);
number!(Xid);
