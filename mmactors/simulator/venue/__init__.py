"""The venue itself: book, ledger, matching, calendar, and who trades there. Pure, driven by a clock."""
