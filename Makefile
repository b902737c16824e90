# Targets for people. `make demo` shows the product, `make test` proves it; both install first what is missing.

CARGO ?= cargo

.PHONY: help demo test check bench sim fuzz packages

help:
	@echo "make demo      the incident and the recovery on a practice fleet of this machine (about a minute, once built)"
	@echo "make test      everything that a change must pass: format, lints, all tests"
	@echo "make check     format and lints only; needs nothing but Rust"
	@echo "make bench     how fast, against plain ssh in the same run"
	@echo "make sim       simulated lives with every kind of fault, a million of the engine; SEED=4711 repeats one with its trace"
	@echo "make fuzz      hostile texts by the million for an hour; kept out of make test"
	@echo "make packages  install the system programs that the practice fleet and the tests need, if any is missing"

demo: packages
	@$(CARGO) run --locked -- demo $(DEMO)

# Most tests wait for real daemons most of the time, so more of them run at once than there are processors.
test: packages check
	RUST_TEST_THREADS=$$(n=$$(nproc); [ "$$n" -gt 6 ] && echo "$$n" || echo 6) $(CARGO) test --locked
	@echo "make test: format, lints and all tests passed"

check:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings

# Large runbooks without a host, then ratios against bare ssh on a practice fleet of 20 hosts, on loopback; about three minutes after the build.
bench: packages
	$(CARGO) bench --locked --bench compile --bench fleet

# The lives that `make test` lives, ten times as many, with figures: lives per second, faults that struck, states reached, planted bugs caught.
# About ten minutes; every failure prints its seed and the command that repeats it.
SEEDS ?= 1000000
sim: export SEEDS := $(SEEDS)
SIMULATED := tests::sim::
ifdef SEED
sim: export SEED := $(SEED)
SIMULATED := lives_keep_every_promise
endif
sim:
	@$(CARGO) test --locked --lib $(SIMULATED) -- --nocapture --test-threads 1

# `make packages` touches nothing when all programs are there.
# program:package pairs; the programs live in /usr/sbin on Debian, which is not in everybody's PATH. Python's `venv` has no program: the
# tests install a real Ansible with it, below target/, to compare inventories with.
NEEDED := sshd:openssh-server ssh:openssh-client ssh-keygen:openssh-client haproxy:haproxy runsvdir:runit sv:runit chpst:runit setsid:util-linux setpriv:util-linux unshare:util-linux nsenter:util-linux systemd-run:systemd service:init-system-helpers update-rc.d:init-system-helpers prometheus-alertmanager:prometheus-alertmanager pgbouncer:pgbouncer psql:postgresql-client pg_ctlcluster:postgresql

packages:
	@PATH="$$PATH:/usr/sbin:/sbin"; missing=; programs=; \
	for pair in $(NEEDED); do \
	  program=$${pair%%:*}; package=$${pair#*:}; \
	  command -v "$$program" >/dev/null 2>&1 && continue; \
	  case " $$missing " in *" $$package "*) ;; *) missing="$$missing $$package";; esac; \
	  programs="$$programs $$program"; \
	done; \
	python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || { missing="$$missing python3-venv"; programs="$$programs python3 (with venv)"; }; \
	if [ -z "$$missing" ]; then echo "packages: everything is here, nothing to install"; exit 0; fi; \
	echo "packages: missing programs:$$programs"; \
	if ! command -v apt-get >/dev/null 2>&1; then \
	  echo "packages: this system has no apt-get; install these with your package manager:$$missing" >&2; exit 1; fi; \
	sudo=; if [ "$$(id -u)" != 0 ]; then \
	  sudo=sudo; command -v sudo >/dev/null 2>&1 || { echo "packages: not root and no sudo; ask an administrator to install:$$missing" >&2; exit 1; }; fi; \
	echo "packages: will run: $$sudo apt-get install --no-install-recommends$$missing"; \
	echo "packages: the fleet starts its own processes on loopback; services that these packages bring are stopped again"; \
	$$sudo apt-get update -qq && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing || exit 1; \
	if [ -d /run/systemd/system ]; then for package in $$missing; do \
	  case "$$package" in haproxy) $$sudo systemctl disable --now haproxy.service;; openssh-server) $$sudo systemctl disable --now ssh.service;; \
	  prometheus-alertmanager|pgbouncer|postgresql) $$sudo systemctl disable --now $$package.service;; esac; \
	done; fi

# Hostile texts by the million; about an hour. RUSTC_BOOTSTRAP: the coverage of libFuzzer is not stable in Rust. `make fuzz TARGETS=expression FUZZ_SECONDS=60` for a quick look. Findings: target/fuzz/found-*.
FUZZ_SECONDS ?= 600
TARGETS ?= runbook inventory pattern text expression

fuzz:
	@command -v cargo-fuzz >/dev/null 2>&1 || { echo "fuzz: will run: cargo install cargo-fuzz --locked"; $(CARGO) install cargo-fuzz --locked; }
	@for target in $(TARGETS); do \
	  mkdir -p target/fuzz/corpus/$$target; \
	  case $$target in runbook) cp runbooks/*.yaml tests/cases/*.yaml target/fuzz/corpus/runbook/;; inventory) cp inventory/*.yaml target/fuzz/corpus/inventory/;; esac; \
	  RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --fuzz-dir tests/fuzz --target-dir target/fuzz --sanitizer none --release $$target target/fuzz/corpus/$$target -- \
	    -artifact_prefix=target/fuzz/found- -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -timeout=5 -rss_limit_mb=1024 -print_final_stats=1 || exit 1; \
	done
