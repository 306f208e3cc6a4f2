# Recipes; `just` alone lists them. CI runs the same steps: .ci/run

_default:
    @just --list

# Everything that CI checks
ci:
    .ci/run

# The tests, as the README says; as root those on the kernel too
test:
    .ci/run test

# The tests on the kernel at full length, and those that need much memory
test-full:
    CONNTOP_LAB=required CONNTOP_LAB_FULL=1 cargo test --package conntop-tests --locked -- --include-ignored

# Format, lint and check the documentation
check:
    .ci/run format clippy doc

# The fuzzer on one property; needs nightly and cargo-fuzz. docs/fuzzing.md lists the properties
fuzz target="decoder" seconds="600":
    cargo +nightly fuzz run {{target}} -- -max_total_time={{seconds}} -max_len=8192

# Licences, bans and sources of all dependencies
deny:
    .ci/run deny

# A router with NAT between two hosts, by hand: just lab up | traffic | inject N | churn | down
lab *arguments:
    cargo run --quiet --locked --package conntop-tests --bin conntop-lab -- {{arguments}}

# The micro-benchmarks of the crates (divan): all, or one of parse, table, codec, mirror, view, draw
bench name="*" *filter:
    cargo bench --workspace --locked --bench '{{name}}' -- {{filter}}

# conntopd and conntop beside conntrack, iptstate and flowtop on one table: just bench-peers 1k,10k
bench-peers sizes="1k,10k,100k,1M":
    cargo run --release --quiet --locked --package conntop-tests --bin conntop-bench -- --sizes {{sizes}} dumps peers

# Every number of docs/performance.md, put into it, in some ten minutes on an idle machine
bench-all *options:
    cargo run --release --quiet --locked --package conntop-tests --bin conntop-bench -- --into docs/performance.md {{options}} all

# Static programs for all targets, or those named, started and checked: target/dist. packaging/dist/targets lists
# them; `just dist --twice` also compares the bytes of two builds
dist *targets:
    packaging/dist/build {{targets}}

# Container images of what dist made, for the triple of this machine or another
container *triple:
    packaging/container/build {{triple}}

# Debian packages of what `just dist` has made: just deb [amd64|arm64|armhf ...]; in target/dist
deb *architectures:
    packaging/debian/build {{architectures}}

# Install, use, upgrade, remove and purge these packages in a Debian of their own, with systemd (as root; needs
# debootstrap and systemd-nspawn): just deb-check [bookworm|trixie ...]
deb-check *releases:
    packaging/debian/check {{releases}}
