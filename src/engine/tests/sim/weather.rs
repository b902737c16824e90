//! What can go wrong in a simulated life, how often, and how often it did. All from the seed.

use std::collections::BTreeSet;
use std::fmt;

use crate::engine::tests::generate::Dice;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The host refuses the connection.
    Refused,
    /// The host answers nothing, for long.
    Blackhole,
    /// The connection breaks before the command starts, and nobody knows that.
    ResetBefore,
    /// The connection breaks while the command runs; it goes on.
    ResetAfter,
    /// It is done, and the answer says that it failed.
    SaidFailed,
    /// It is done; the answer comes when nobody waits for it any more.
    ToldLate,
    /// The host reboots in the middle.
    Reboot,
    /// The command hangs until it is killed at its deadline; what it did before stays.
    Hung,
    /// The host's disk is full: it fails and changes nothing.
    DiskFull,
    /// What is looked at is not as it must be.
    CheckFails,
    /// What is looked at forbids to go on.
    Forbidden,
    /// Somebody else has done it already.
    AlreadySo,
    /// It is not safe to give back.
    GuardFails,
    /// Taking back fails.
    UndoFails,
    /// Taking back works, and the answer says that it failed.
    UndoSaidFailed,
    /// Something that is not ours breaks what an invariant demands, or repairs it.
    Shake,
    /// The journal takes nothing.
    JournalRefuses,
    /// The journal takes it and says that it did not.
    JournalAmbiguous,
    /// The controller dies right before it writes.
    CrashBefore,
    /// The controller dies right after it has written.
    CrashAfter,
    /// The next controller's clock is a day off.
    ClockJump,
    /// Who is asked has gone home.
    ApproverLeaves,
    /// Who is asked says no, or that it failed.
    Denial,
    /// An answer comes when the time is over.
    LateAnswer,
    /// Another answer comes when all is decided.
    SecondAnswer,
    /// A person stops the run.
    Cancel,
    /// Another run wants the same pool at the same time.
    TwoRuns,
    /// Another controller takes the run while this one still drives it.
    Takeover,
    /// Who is asked has looked at another plan.
    OtherPlan,
    /// Somebody else takes members out of the pool meanwhile.
    Shrinks,
}

impl Fault {
    /// What can befall the engine alone.
    pub const OF_THE_ENGINE: [Fault; 26] = [
        Fault::Refused,
        Fault::Blackhole,
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::SaidFailed,
        Fault::ToldLate,
        Fault::Reboot,
        Fault::Hung,
        Fault::DiskFull,
        Fault::CheckFails,
        Fault::Forbidden,
        Fault::AlreadySo,
        Fault::GuardFails,
        Fault::UndoFails,
        Fault::UndoSaidFailed,
        Fault::Shake,
        Fault::JournalRefuses,
        Fault::JournalAmbiguous,
        Fault::CrashBefore,
        Fault::CrashAfter,
        Fault::ClockJump,
        Fault::ApproverLeaves,
        Fault::Denial,
        Fault::LateAnswer,
        Fault::SecondAnswer,
        Fault::Cancel,
    ];

    /// What can befall the whole program below its command line.
    pub const OF_THE_WHOLE: [Fault; 20] = [
        Fault::Refused,
        Fault::Blackhole,
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::SaidFailed,
        Fault::ToldLate,
        Fault::Reboot,
        Fault::Hung,
        Fault::DiskFull,
        Fault::JournalRefuses,
        Fault::JournalAmbiguous,
        Fault::CrashBefore,
        Fault::CrashAfter,
        Fault::ClockJump,
        Fault::ApproverLeaves,
        Fault::OtherPlan,
        Fault::Cancel,
        Fault::TwoRuns,
        Fault::Takeover,
        Fault::Shrinks,
    ];
    const KINDS: usize = 30;

    /// One in so many of those that are likely in this weather; what has few occasions must take them.
    fn rates(self) -> [usize; 3] {
        match self {
            Fault::JournalRefuses | Fault::JournalAmbiguous | Fault::CrashBefore | Fault::CrashAfter => [40, 20, 8],
            Fault::GuardFails | Fault::UndoFails | Fault::UndoSaidFailed | Fault::ClockJump => [3, 2, 1],
            Fault::ApproverLeaves | Fault::Denial | Fault::LateAnswer | Fault::SecondAnswer => [3, 2, 1],
            Fault::Cancel | Fault::Shake | Fault::Takeover | Fault::Shrinks => [30, 15, 8],
            Fault::TwoRuns | Fault::OtherPlan => [2, 1, 1],
            _ => [40, 12, 4],
        }
    }
}

/// How likely each fault is in one life.
#[derive(Clone)]
pub struct Weather {
    one_in: [usize; Fault::KINDS],
}

impl Weather {
    /// Nothing goes wrong.
    pub fn calm() -> Weather {
        Weather { one_in: [0; Fault::KINDS] }
    }

    /// Some kinds are likely, the others never happen, so that each kind is also seen alone.
    pub fn of(dice: &mut Dice, kinds: &[Fault]) -> Weather {
        let mut weather = Weather::calm();
        let likely = [2, 4, 8][dice.below(3)];
        for fault in kinds {
            if dice.one_in(likely) {
                weather.one_in[*fault as usize] = fault.rates()[dice.below(3)];
            }
        }
        weather
    }

    /// Whether it strikes now.
    pub fn strikes(&self, fault: Fault, dice: &mut Dice) -> bool {
        let one_in = self.one_in[fault as usize];
        one_in > 0 && dice.one_in(one_in)
    }

    /// No more of these.
    pub fn clears(&mut self, faults: &[Fault]) {
        faults.iter().for_each(|f| self.one_in[*f as usize] = 0);
    }
}

impl fmt::Debug for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: BTreeSet<Fault> = [&Fault::OF_THE_ENGINE[..], &Fault::OF_THE_WHOLE].concat().into_iter().collect();
        let likely = kinds
            .iter()
            .map(|fault| (fault, self.one_in[*fault as usize]))
            .filter(|(_, n)| *n > 0);
        f.debug_map()
            .entries(likely.map(|(fault, n)| (fault, format!("1 in {n}"))))
            .finish()
    }
}

/// How often each fault struck, by its number.
#[derive(Clone, Debug)]
pub struct Strikes {
    /// All in all, and while something was under way.
    pub counts: [(u64, u64); Fault::KINDS],
}

impl Default for Strikes {
    fn default() -> Strikes {
        Strikes {
            counts: [(0, 0); Fault::KINDS],
        }
    }
}

impl Strikes {
    pub fn note(&mut self, fault: Fault, busy: bool) {
        let (all, meanwhile) = &mut self.counts[fault as usize];
        *all += 1;
        *meanwhile += u64::from(busy);
    }
}
