"""A Durable Functions host in pure Python for developing and testing v2-model function apps.

``python -m local_host start --app DIR --port N --data DIR`` loads ``function_app.py`` of any app, unchanged, and serves
it as the Azure Functions host with the Durable Task extension would. Where to look:

===================  ===================================================================================
``cli``              the command line
``host``             start-up and shut-down: puts the parts below together
``settings``         host.json, local.settings.json, environment
``app_index``        (worker) imports the app and makes the checks the platform makes while indexing
``http_server``      (worker) the web server of an app that streams
``cookies``          (worker) Set-Cookie as the platform writes it
``bindings``         (worker) trigger payload -> Python arguments, return value -> payload
``worker``           (worker) the process that runs functions
``episode``          (worker) one orchestrator episode: history -> SDK -> actions -> decisions
``wire``             frames between the host and its workers
``worker_pool``      starts, feeds, replaces and stops workers
``function_table``   the functions, found by durable name
``task_hub``         the SQLite file: instances, history, inbox, activities, timers, entities
``lease``            which host the task hub belongs to
``engine``           takes instances from one episode to the next
``activities``       queues and runs activities, delivers them again when a worker dies
``durable_timers``   ``context.create_timer``
``entities``         durable entities: batches, signals, replies
``history``          the shape of history events
``durable_http``     the management API, for the public address and for the SDK's client
``durable_client``   the value a durable client binding receives
``http_triggers``    routes and HTTP functions
``http_forwarding``  requests of apps that stream, on to their worker and back
``timer_triggers``   timer functions and their schedules
``http_calls``       ``context.call_http``
``background``       tasks nobody waits for
``keys``             host, function and system keys
``reload``           ``--reload``: notices changes of the app
``replay``           replays recorded histories against changed code
``logs``             one-line structured log records
``errors``           every exception of the host
===================  ===================================================================================
"""
