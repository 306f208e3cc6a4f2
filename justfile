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

# Licences, bans and sources of all dependencies
deny:
    .ci/run deny

# A router with NAT between two hosts, by hand: just lab up | traffic | inject N | churn | down
lab *arguments:
    cargo run --quiet --locked --package conntop-tests --bin conntop-lab -- {{arguments}}
