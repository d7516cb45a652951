"""The venue and the exchanges on real sockets."""
