//! What one balancer needs so that a member is as wanted: edits, a reload, requests, and how the balancer looks afterwards.

use super::haproxy::config::Config;
use super::haproxy::edit::unified_diff;
use super::member::Bound;
use super::reload;
use super::state::{Balancer, Member, State};
use super::target::BalancerHost;
use crate::model::operation::{Act, Identity, Operation};

/// What one balancer needs.
pub(super) struct Step {
    /// How it looks afterwards.
    pub after: Balancer,
    /// Performed before anything changes anywhere.
    pub guards: Vec<Operation>,
    /// None: nothing to do.
    pub operations: Vec<Operation>,
    /// Of its file.
    pub diff: Option<String>,
    /// Its process does not know the server.
    pub reloads: bool,
}

impl Bound {
    /// What this balancer needs; no operations: nothing.
    pub(super) fn step(&self, host: &BalancerHost, before: &Balancer) -> Result<Step, String> {
        let Some(member) = before.members.get(self.name()) else {
            return Err(format!("nothing is known about {}", self.name()));
        };
        let mut step = Step {
            after: before.clone(),
            guards: Vec::new(),
            operations: Vec::new(),
            diff: None,
            reloads: false,
        };
        let returns = self.wanted.state == Some(State::Ready);
        if member.state == State::Absent && !returns {
            return match self.wanted.state {
                // It gets nothing already, and for longer than a drain would keep it out.
                Some(_) => Ok(step),
                None => Err(format!("{} is not in the running process, so it has no weight", self.name())),
            };
        }
        let content = self.edited(before, member)?;
        let edits = content.is_some();
        if let Some(content) = content {
            step.diff = Some(unified_diff(&self.target.pool.config, &before.file.content, &content));
            step.operations
                .push(reload::put_file(&self.target, host, &before.file.content, &content));
            step.after.file.content = content;
        }
        step.reloads = member.state == State::Absent;
        let weight = self.weight(&step.after, member);
        self.set_after(&mut step.after, weight);
        if step.reloads {
            let obstacles = reload::obstacles(&self.target, before, &step.after);
            if !obstacles.is_empty() {
                return Err(format!(
                    "the reload would lose what cannot be carried over: {}",
                    obstacles.join("; ")
                ));
            }
            if !edits {
                step.guards.push(reload::check_file(&self.target, host));
            }
            reload::expect_new_process(&mut step.after, &self.target.pool.backend);
            step.operations.extend(reload::reload(&self.target, host, &step.after));
        } else {
            let commands = self.commands(&step.after, member, weight)?;
            if !commands.is_empty() {
                step.operations.push(self.target.socket(host, &commands.join(";"), false));
            }
        }
        if !step.operations.is_empty() {
            step.guards.extend(self.health.iter().map(|url| self.ask_directly(host, url)));
        }
        Ok(step)
    }

    /// The file with the needed edits; `None`: it is as needed.
    fn edited(&self, before: &Balancer, member: &Member) -> Result<Option<String>, String> {
        let returns = self.wanted.state == Some(State::Ready);
        let missing = returns && !member.configured;
        if !missing && !self.wanted.persist {
            return Ok(None);
        }
        let path = &self.target.pool.config;
        let backend = self.target.pool.backend.as_str();
        if !before.file.present || !before.file.utf8 {
            return Err(format!("{path} is missing or is not UTF-8, so it cannot be edited"));
        }
        let mut file = Config::parse(&before.file.content);
        let Some(line) = file.server(backend, &self.member.server) else {
            let address = if self.member.address.is_empty() {
                "ADDRESS"
            } else {
                &self.member.address
            };
            return Err(format!(
                "{path} has no line for {}, not even commented out; add `server {} {address}:PORT check` to backend `{backend}`",
                self.name(),
                self.member.server
            ));
        };
        if missing {
            file.uncomment(backend, &line);
        }
        if self.wanted.persist {
            if let Some(state) = self.wanted.state {
                file.set_disabled(&line, state == State::Maint);
            }
            if let Some(weight) = self.wanted.weight {
                file.set_weight(&line, Some(weight));
            }
        }
        Ok(Some(file.text()).filter(|text| *text != before.file.content))
    }

    /// The weight it shall have: a return without a weight does not leave it at 0.
    fn weight(&self, after: &Balancer, member: &Member) -> i64 {
        let of_file = || {
            let line = Config::parse(&after.file.content).server(&self.target.pool.backend, &self.member.server);
            line.map_or(1, |l| l.weight)
        };
        match self.wanted.weight {
            Some(weight) => weight,
            None if member.state == State::Absent => of_file(),
            None if self.wanted.state == Some(State::Ready) && member.weight == 0 => of_file().max(1),
            None => member.weight,
        }
    }

    fn set_after(&self, after: &mut Balancer, weight: i64) {
        let Some(member) = after.members.get_mut(self.name()) else {
            return;
        };
        let state = self.wanted.state.unwrap_or(member.state);
        if member.state == state && member.weight == weight && member.configured {
            return;
        }
        if member.state != state {
            member.seconds_in_state = None;
        }
        (member.state, member.weight) = (state, weight);
        match state {
            // Only a return waits until the balancer has seen it up.
            State::Ready if self.wanted.state.is_none() => {}
            State::Ready => {
                member.configured = true;
                member.up = true;
                member.check = None;
                member.health = None;
                member.sessions = None;
            }
            // Maintenance stops the checks: nobody knows any more.
            State::Maint => member.up = false,
            State::Drain | State::Absent => {}
        }
        if self.wanted.wait.is_some() {
            member.sessions = Some(0);
        }
    }

    /// Requests for a process that knows the server.
    fn commands(&self, after: &Balancer, member: &Member, weight: i64) -> Result<Vec<String>, String> {
        let (backend, server) = (self.target.pool.backend.as_str(), self.member.server.as_str());
        let mut commands = Vec::new();
        if weight != member.weight {
            let file = Config::parse(&after.file.content);
            if !reload::can_weigh(&file, backend, after, server, weight) {
                return Err(format!(
                    "the algorithm `{}` takes weight {weight} only from the file and a reload",
                    after.algorithm
                ));
            }
            commands.push(reload::weight_command(backend, server, weight, member.initial_weight));
        }
        if let Some(state) = self.wanted.state.filter(|state| *state != member.state) {
            commands.push(format!("set server {backend}/{server} state {}", state.word()));
        }
        Ok(commands)
    }

    fn ask_directly(&self, host: &BalancerHost, url: &str) -> Operation {
        let act = Act::Http {
            method: String::from("GET"),
            url: url.to_owned(),
            headers: Vec::new(),
            body: String::new(),
            read_only: true,
        };
        Operation {
            run_as: Identity::Login,
            ..host.operation(act, self.target.timeout)
        }
    }

    /// How a balancer that had to be reloaded should look now.
    pub(super) fn expected(&self, before: &Balancer) -> Option<Balancer> {
        let host = self.target.balancers.iter().find(|host| host.host == before.host)?;
        self.step(host, before).ok().filter(|step| step.reloads).map(|step| step.after)
    }
}
