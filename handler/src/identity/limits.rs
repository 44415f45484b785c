//! How often somebody may try.
//!
//! Each limit is a bucket that fills again steadily: by the client's address, and by the
//! account that is tried, since one of the two alone is easily changed. In memory and for
//! each instance: a limit over all of them would cost a question to a shared place.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Signing up.
    SignUp,
    /// Asking for another password.
    Reset,
    /// Signing in.
    SignIn,
    /// Exchanging a token.
    Refresh,
}

/// Seconds after which the next attempt may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter(pub u32);

/// The limits of a process.
pub struct Limits(Option<Buckets>);

struct Buckets {
    clock: DefaultClock,
    sign_up: Pair,
    reset: Pair,
    sign_in: Pair,
    refresh: Pair,
}

/// The buckets of one kind of attempt.
struct Pair {
    by_address: DefaultKeyedRateLimiter<IpAddr>,
    /// By the e-mail address that is tried, in lower case, or by the session's family.
    by_account: DefaultKeyedRateLimiter<String>,
}

/// A household behind one address; a client that refreshes when it should.
const SIGN_UPS_PER_MINUTE: u32 = 10;
const RESETS_PER_MINUTE: u32 = 10;
const SIGN_INS_PER_MINUTE: u32 = 30;
const REFRESHES_PER_MINUTE: u32 = 60;
/// 14,400 guesses a day at the most: a password within CONTRACT 4's limits stands that.
const TRIES_OF_AN_ACCOUNT_PER_MINUTE: u32 = 10;
/// Each is a mail to somebody who may not have asked for it.
const RESETS_OF_AN_ACCOUNT_PER_MINUTE: u32 = 3;
/// A session is refreshed once an hour, and by a client that starts again and again.
const REFRESHES_OF_A_SESSION_PER_MINUTE: u32 = 10;
/// Buckets are forgotten when they are full again; beyond so many that is done at once.
const KEYS_MAX: usize = 100_000;

fn per_minute(count: u32) -> Quota {
    Quota::per_minute(NonZeroU32::new(count).expect("the counts are not 0"))
}

impl Pair {
    fn of(by_address: u32, by_account: u32) -> Self {
        Self {
            by_address: RateLimiter::keyed(per_minute(by_address)),
            by_account: RateLimiter::keyed(per_minute(by_account)),
        }
    }
}

impl Buckets {
    fn of(&self, attempt: Attempt) -> &Pair {
        match attempt {
            Attempt::SignUp => &self.sign_up,
            Attempt::Reset => &self.reset,
            Attempt::SignIn => &self.sign_in,
            Attempt::Refresh => &self.refresh,
        }
    }
}

impl Limits {
    /// Limits that count, or none for a load test.
    pub fn new(are_on: bool) -> Self {
        Self(are_on.then(|| Buckets {
            clock: DefaultClock::default(),
            sign_up: Pair::of(SIGN_UPS_PER_MINUTE, TRIES_OF_AN_ACCOUNT_PER_MINUTE),
            reset: Pair::of(RESETS_PER_MINUTE, RESETS_OF_AN_ACCOUNT_PER_MINUTE),
            sign_in: Pair::of(SIGN_INS_PER_MINUTE, TRIES_OF_AN_ACCOUNT_PER_MINUTE),
            refresh: Pair::of(REFRESHES_PER_MINUTE, REFRESHES_OF_A_SESSION_PER_MINUTE),
        }))
    }

    /// Counts an attempt from an address.
    pub fn count(&self, attempt: Attempt, from: IpAddr) -> Result<(), RetryAfter> {
        let Some(buckets) = &self.0 else { return Ok(()) };
        check(&buckets.of(attempt).by_address, &network(from), &buckets.clock)
    }

    /// Counts an attempt at an account: by its e-mail address, or by its session's family.
    pub fn count_account(&self, attempt: Attempt, account: &str) -> Result<(), RetryAfter> {
        let Some(buckets) = &self.0 else { return Ok(()) };
        check(&buckets.of(attempt).by_account, &account.to_lowercase(), &buckets.clock)
    }
}

fn check<K: std::hash::Hash + Eq + Clone>(
    bucket: &DefaultKeyedRateLimiter<K>,
    key: &K,
    clock: &DefaultClock,
) -> Result<(), RetryAfter> {
    if bucket.len() > KEYS_MAX {
        bucket.retain_recent();
    }
    bucket.check_key(key).map_err(|not_until| {
        let wait = not_until.wait_time_from(clock.now()).as_secs();
        RetryAfter(u32::try_from(wait).unwrap_or(u32::MAX).saturating_add(1))
    })
}

/// Whoever has one address of IPv6 has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => std::net::Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_try_is_refused_and_told_when_to_come() {
        let limits = Limits::new(true);
        let from: IpAddr = "192.0.2.1".parse().unwrap();
        for _ in 0..SIGN_INS_PER_MINUTE {
            limits.count(Attempt::SignIn, from).unwrap();
        }
        let RetryAfter(seconds) = limits.count(Attempt::SignIn, from).unwrap_err();
        assert!((1..=60).contains(&seconds), "{seconds}");
        assert!(limits.count(Attempt::SignIn, "192.0.2.2".parse().unwrap()).is_ok());
        assert!(limits.count(Attempt::Refresh, from).is_ok());
    }

    #[test]
    fn an_account_is_tried_so_often_from_wherever() {
        let limits = Limits::new(true);
        for (attempt, tries) in [
            (Attempt::SignUp, TRIES_OF_AN_ACCOUNT_PER_MINUTE),
            (Attempt::Reset, RESETS_OF_AN_ACCOUNT_PER_MINUTE),
            (Attempt::SignIn, TRIES_OF_AN_ACCOUNT_PER_MINUTE),
            (Attempt::Refresh, REFRESHES_OF_A_SESSION_PER_MINUTE),
        ] {
            for _ in 0..tries {
                limits.count_account(attempt, "A@b.example").unwrap();
            }
            assert!(limits.count_account(attempt, "a@B.example").is_err(), "{attempt:?}");
            assert!(limits.count_account(attempt, "c@b.example").is_ok(), "{attempt:?}");
        }
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[test]
    fn limits_that_are_off_count_nothing() {
        let limits = Limits::new(false);
        let from: IpAddr = "192.0.2.1".parse().unwrap();
        assert!((0..1_000).all(|_| limits.count(Attempt::SignUp, from).is_ok()));
    }
}
