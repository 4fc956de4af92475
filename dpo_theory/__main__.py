"""`python -m dpo_theory` is `dpo-theory`."""

from dpo_theory.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
