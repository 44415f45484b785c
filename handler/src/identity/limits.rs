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
    /// Signing up, or asking for another password.
    SignUp,
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
    sign_up: DefaultKeyedRateLimiter<IpAddr>,
    sign_in: DefaultKeyedRateLimiter<IpAddr>,
    refresh: DefaultKeyedRateLimiter<IpAddr>,
    /// By the address that is tried, in lower case.
    account: DefaultKeyedRateLimiter<String>,
}

/// A household behind one address; a client that refreshes when it should.
const SIGN_UPS_PER_MINUTE: u32 = 10;
const SIGN_INS_PER_MINUTE: u32 = 30;
const REFRESHES_PER_MINUTE: u32 = 60;
/// 14,400 guesses a day at the most: a password within CONTRACT 4's limits stands that.
const TRIES_OF_AN_ACCOUNT_PER_MINUTE: u32 = 10;
/// Buckets are forgotten when they are full again; beyond so many that is done at once.
const KEYS_MAX: usize = 100_000;

fn per_minute(count: u32) -> Quota {
    Quota::per_minute(NonZeroU32::new(count).expect("the counts are not 0"))
}

impl Limits {
    /// Limits that count, or none for a load test.
    pub fn new(are_on: bool) -> Self {
        Self(are_on.then(|| Buckets {
            clock: DefaultClock::default(),
            sign_up: RateLimiter::keyed(per_minute(SIGN_UPS_PER_MINUTE)),
            sign_in: RateLimiter::keyed(per_minute(SIGN_INS_PER_MINUTE)),
            refresh: RateLimiter::keyed(per_minute(REFRESHES_PER_MINUTE)),
            account: RateLimiter::keyed(per_minute(TRIES_OF_AN_ACCOUNT_PER_MINUTE)),
        }))
    }

    /// Counts an attempt from an address.
    pub fn count(&self, attempt: Attempt, from: IpAddr) -> Result<(), RetryAfter> {
        let Some(buckets) = &self.0 else { return Ok(()) };
        let bucket = match attempt {
            Attempt::SignUp => &buckets.sign_up,
            Attempt::SignIn => &buckets.sign_in,
            Attempt::Refresh => &buckets.refresh,
        };
        check(bucket, &network(from), &buckets.clock)
    }

    /// Counts a try of an account.
    pub fn count_account(&self, email: &str) -> Result<(), RetryAfter> {
        let Some(buckets) = &self.0 else { return Ok(()) };
        check(&buckets.account, &email.to_lowercase(), &buckets.clock)
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
        for _ in 0..TRIES_OF_AN_ACCOUNT_PER_MINUTE {
            limits.count_account("A@b.example").unwrap();
        }
        assert!(limits.count_account("a@B.example").is_err());
        assert!(limits.count_account("c@b.example").is_ok());
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
