//! How many sockets one person and one address may hold.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use domain::UserId;

use crate::{Config, Refused};

/// Counts of open sockets. A limit that is lifted is not counted either.
#[derive(Debug)]
pub(crate) struct Limits {
    max_per_user: Option<usize>,
    max_per_address: Option<usize>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    users: HashMap<UserId, u32>,
    addresses: HashMap<IpAddr, u32>,
}

impl Limits {
    pub(crate) fn new(config: &Config) -> Limits {
        Limits {
            max_per_user: config.max_per_user,
            max_per_address: config.max_per_address,
            counts: Mutex::new(Counts::default()),
        }
    }

    /// Whether one more would be taken. Only a forecast: [`Limits::take`] decides.
    pub(crate) fn admits(&self, user: UserId, address: IpAddr) -> Result<(), Refused> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        self.check(&counts, user, network(address))
    }

    /// Counts one more.
    pub(crate) fn take(&self, user: UserId, address: IpAddr) -> Result<(), Refused> {
        let address = network(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        self.check(&counts, user, address)?;
        if self.max_per_user.is_some() {
            *counts.users.entry(user).or_default() += 1;
        }
        if self.max_per_address.is_some() {
            *counts.addresses.entry(address).or_default() += 1;
        }
        Ok(())
    }

    /// One less.
    pub(crate) fn give_back(&self, user: UserId, address: IpAddr) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        decrease(&mut counts.users, &user);
        decrease(&mut counts.addresses, &network(address));
    }

    fn check(&self, counts: &Counts, user: UserId, address: IpAddr) -> Result<(), Refused> {
        let of_user = counts.users.get(&user).copied().unwrap_or(0);
        let of_address = counts.addresses.get(&address).copied().unwrap_or(0);
        for (limit, count) in [
            (self.max_per_user, of_user),
            (self.max_per_address, of_address),
        ] {
            if let Some(limit) = limit
                && count as usize >= limit
            {
                return Err(Refused::TooMany(limit));
            }
        }
        Ok(())
    }
}

fn decrease<K: Hash + Eq>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// The address as it is counted: a household has a whole IPv6 /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(four) => IpAddr::V4(four),
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}
