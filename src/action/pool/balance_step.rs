//! What one balancer needs so that a pool shares load as wanted, and how the balancer looks afterwards.

use super::balance::{Bound, Weights};
use super::haproxy::config::{Config, Server};
use super::haproxy::edit::unified_diff;
use super::reload;
use super::state::{Balancer, State};
use super::target::BalancerHost;
use crate::model::operation::Operation;

/// What one balancer needs.
pub(super) struct Step {
    /// How it looks afterwards.
    pub after: Balancer,
    /// None: nothing to do.
    pub operations: Vec<Operation>,
    /// Of its file.
    pub diff: Option<String>,
    /// It must load its file.
    pub reloads: bool,
}

impl Bound {
    /// What this balancer needs; no operations: nothing.
    pub(super) fn step(&self, host: &BalancerHost, before: &Balancer) -> Result<Step, String> {
        let (path, backend) = (&self.target.pool.config, self.target.pool.backend.as_str());
        let mut file = Config::parse(&before.file.content);
        if !before.file.present || !file.has_backend(backend) {
            return Err(format!("{path} has no section `backend {backend}`"));
        }
        self.edit(&mut file);
        let mut step = Step {
            after: before.clone(),
            operations: Vec::new(),
            diff: None,
            reloads: false,
        };
        let text = file.text();
        let edits = text != before.file.content;
        if edits && !before.file.utf8 {
            return Err(format!("{path} is not UTF-8, so it cannot be edited"));
        }
        let word = reload::algorithm_word(&self.algorithm);
        step.reloads = edits || before.algorithm != word;
        step.after.file.content.clone_from(&text);
        word.clone_into(&mut step.after.algorithm);
        self.weigh(&mut step.after, &file);
        if step.reloads {
            self.reload_step(&mut step, host, before, edits)?;
        } else {
            let commands = self.weight_commands(before, &step.after);
            if !commands.is_empty() {
                step.operations.push(self.target.socket(host, &commands.join(";"), false));
            }
        }
        Ok(step)
    }

    fn reload_step(&self, step: &mut Step, host: &BalancerHost, before: &Balancer, edits: bool) -> Result<(), String> {
        if !self.keep_states {
            self.forget_states(&mut step.after);
        }
        let obstacles = reload::obstacles(&self.target, before, &step.after);
        if self.keep_states && !obstacles.is_empty() {
            return Err(format!(
                "the reload would lose what cannot be carried over: {}",
                obstacles.join("; ")
            ));
        }
        reload::expect_new_process(&mut step.after, &self.target.pool.backend);
        if edits {
            let (old, new) = (&before.file.content, &step.after.file.content);
            step.diff = Some(unified_diff(&self.target.pool.config, old, new));
            step.operations.push(reload::put_file(&self.target, host, old, new));
        } else {
            step.operations.push(reload::check_file(&self.target, host));
        }
        step.operations.extend(reload::reload(&self.target, host, &step.after));
        Ok(())
    }

    /// Edits the algorithm and the weights of the pool's servers, those commented out too: they come back with it some day.
    fn edit(&self, file: &mut Config) {
        let backend = self.target.pool.backend.as_str();
        if file.balance(backend).as_deref() != Some(self.algorithm.as_str()) {
            file.set_balance(backend, &self.algorithm);
        }
        if !self.explicit {
            file.inherit_balance(backend);
        }
        match &self.weights {
            Weights::Keep => {}
            Weights::Exact(exact) => {
                for server in file.servers(backend) {
                    let wanted = exact.iter().find(|(name, _)| *name == server.name);
                    if let Some((_, weight)) = wanted.filter(|(_, weight)| *weight != server.own_weight) {
                        file.set_weight(&server, *weight);
                    }
                }
            }
            Weights::Equal => self.equalise(file),
        }
    }

    /// Numbers are changed where they stand, so that undo gives back the same text.
    fn equalise(&self, file: &mut Config) {
        let listed = self.listed(file);
        if equal(&listed) {
            return;
        }
        let inherited = listed.iter().find(|s| s.own_weight.is_none()).map(|s| s.weight);
        let common = inherited.or(listed.iter().map(|s| s.weight).max()).unwrap_or(1);
        for server in listed.iter().filter(|s| s.own_weight.is_some()) {
            file.set_weight(server, Some(common));
        }
        if !equal(&self.listed(file)) {
            for server in &listed {
                file.set_weight(server, Some(common));
            }
        }
    }

    /// Server lines of the backend that are active or belong to the pool.
    fn listed(&self, file: &Config) -> Vec<Server> {
        let mut servers = file.servers(&self.target.pool.backend);
        servers.retain(|s| s.active || self.target.pool.members.iter().any(|m| m.server == s.name));
        servers
    }

    /// Weights of run time follow the file, unless they are kept. A weight of 0 takes a server out and is kept.
    fn weigh(&self, after: &mut Balancer, file: &Config) {
        if matches!(self.weights, Weights::Keep) {
            return;
        }
        for member in after.members.values_mut().filter(|m| m.state != State::Absent && m.weight != 0) {
            let exact = self.runtime_weights.iter().find(|(name, _)| *name == member.server);
            let of_file = || file.server(&self.target.pool.backend, &member.server).map(|line| line.weight);
            if let Some(weight) = exact.and_then(|(_, weight)| *weight).or_else(of_file) {
                member.weight = weight;
            }
        }
    }

    fn weight_commands(&self, before: &Balancer, after: &Balancer) -> Vec<String> {
        let changed = after
            .members
            .iter()
            .filter(|(name, m)| before.members.get(*name).is_some_and(|b| b.weight != m.weight));
        changed
            .map(|(_, m)| reload::weight_command(&self.target.pool.backend, &m.server, m.weight, m.initial_weight))
            .collect()
    }

    /// States as the file gives them to a new process.
    fn forget_states(&self, after: &mut Balancer) {
        let file = Config::parse(&after.file.content);
        let fresh = |backend: &str, server: &str| {
            file.server(backend, server)
                .map(|l| (if l.disabled { State::Maint } else { State::Ready }, l.weight))
        };
        for member in after.members.values_mut().filter(|m| m.state != State::Absent) {
            if let Some(start) = fresh(&self.target.pool.backend, &member.server) {
                (member.state, member.weight) = start;
            }
        }
        for other in &mut after.elsewhere {
            if let Some(start) = fresh(&other.backend, &other.server) {
                (other.state, other.weight) = start;
            }
        }
    }
}

fn equal(servers: &[Server]) -> bool {
    servers.windows(2).all(|pair| pair[0].weight == pair[1].weight)
}
