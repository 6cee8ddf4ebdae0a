{#
    One row per alert: the outbox. Written with the end of the run, in one transaction, sent
    after it; what could not go is sent by a later command.
#}
{{ declared_rows() }}
