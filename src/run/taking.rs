//! What the steps of one run are about to take from pools, so that two of them do not both count on the other one's member.
//!
//! A step looks at the pool and then acts; another one may look in between and still see the first one's member in service. So each says
//! what it takes before it looks, and takes it back when it has ended: by then everybody sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use crate::base::id::{HostName, PoolName};

/// Members that steps of this run are about to take, or are taking.
#[derive(Clone, Debug, Default)]
pub(super) struct Takings {
    begun: Arc<Mutex<Begun>>,
}

#[derive(Debug, Default)]
struct Begun {
    last: u64,
    members: BTreeMap<u64, (PoolName, HostName)>,
}

/// One step takes one member as long as this is kept.
#[derive(Debug)]
pub(super) struct Taking {
    of: Takings,
    number: u64,
    pool: PoolName,
}

impl Takings {
    /// From now on this member counts as out for everybody else.
    pub(super) fn begin(&self, pool: &PoolName, member: &HostName) -> Taking {
        let mut begun = self.begun.lock().expect("no holder of this lock panics");
        begun.last += 1;
        let number = begun.last;
        begun.members.insert(number, (pool.clone(), member.clone()));
        Taking {
            of: self.clone(),
            number,
            pool: pool.clone(),
        }
    }
}

impl Taking {
    /// Members of the pool that others are taking now.
    pub(super) fn others(&self) -> BTreeSet<HostName> {
        let begun = self.of.begun.lock().expect("no holder of this lock panics");
        let others = begun
            .members
            .iter()
            .filter(|(number, (pool, _))| **number != self.number && *pool == self.pool);
        others.map(|(_, (_, member))| member.clone()).collect()
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.of
            .begun
            .lock()
            .expect("no holder of this lock panics")
            .members
            .remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(taking: &Taking) -> Vec<String> {
        taking.others().into_iter().map(|h| h.to_string()).collect()
    }

    #[test]
    fn whoever_comes_second_knows_of_the_first_until_that_has_ended() {
        let takings = Takings::default();
        let first = takings.begin(&"web".into(), &"a".into());
        let second = takings.begin(&"web".into(), &"b".into());
        let elsewhere = takings.begin(&"db".into(), &"a".into());
        assert_eq!(
            (names(&first), names(&second), names(&elsewhere)),
            (vec![String::from("b")], vec![String::from("a")], vec![])
        );
        drop(first);
        assert_eq!(names(&second), Vec::<String>::new());
        // Two steps on one member: the first that ends does not speak for the other.
        let (one, two) = (takings.begin(&"web".into(), &"c".into()), takings.begin(&"web".into(), &"c".into()));
        drop(one);
        assert_eq!(names(&second), ["c"]);
        drop(two);
        assert_eq!(names(&second), Vec::<String>::new());
    }

    #[test]
    fn of_any_two_at_the_same_time_one_sees_the_other() {
        let (takings, met) = (Takings::default(), std::sync::Barrier::new(2));
        let run = |member: &str| {
            met.wait();
            let taking = takings.begin(&"web".into(), &member.into());
            let seen = !taking.others().is_empty();
            met.wait();
            seen
        };
        for _ in 0..200 {
            let (a, b) = std::thread::scope(|s| {
                let a = s.spawn(|| run("a"));
                let b = s.spawn(|| run("b"));
                (a.join().unwrap_or(false), b.join().unwrap_or(false))
            });
            assert!(a || b);
        }
    }
}
