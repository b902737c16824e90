SET statement_timeout = '15s';
SELECT json_build_object(
  'recovery', pg_is_in_recovery(),
  'read_only', current_setting('transaction_read_only') = 'on',
  'version', current_setting('server_version'),
  'streaming', EXISTS (SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'),
  'lag', CASE WHEN pg_is_in_recovery() THEN pg_wal_lsn_diff(
      greatest(pg_last_wal_receive_lsn(), (SELECT latest_end_lsn FROM pg_stat_wal_receiver LIMIT 1)), pg_last_wal_replay_lsn()) END,
  'replicas', (SELECT coalesce(json_agg(json_build_object(
      'name', application_name, 'address', host(client_addr), 'state', state, 'sync', sync_state,
      'lag', CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) END)), '[]')
    FROM (SELECT * FROM pg_stat_replication ORDER BY application_name, pid LIMIT 100) AS r)) AS status;
