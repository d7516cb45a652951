"""What must never be shown, in the shapes that secrets have."""

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhLTEifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
WALLET = "4c0883a69102937d6231471b5dbb6204fe512961708279f2e3e8a5d4b8e3a1f0"
PASSWORD = "hunter2"
SECRETS = (JWT, WALLET, PASSWORD)
