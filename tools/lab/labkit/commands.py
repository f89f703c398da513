"""commands -- what `lab COMMAND DIR …` does, for the program and for tests.

    text = run(["up", folder, "--people=50"])

A test that makes many labs calls run() in its own process: what it starts are
then children of the test.
"""

import argparse
import concurrent.futures
import json
import os
import shutil

from . import certificates, changes, demo, directory, etcd, processes, services, stock, tenant
from .layout import PORTS, REGISTER_NODES, LabError, Layout, free_ports

SERVERS = ("slapd", "oauth", "scim")
ON_DEMAND = ("etcd",)  # started by its name, not by `up`


def start(layout, server):
    if processes.running(layout.path(server, "pid")) is not None:
        return
    if server == "slapd":
        directory.start(layout)
    elif server == "etcd":
        start_etcd(layout)
    else:
        services.start(layout, server)


def start_etcd(layout):
    """At its first start with a user for each node, who may write one key."""
    ports = layout.settings["ports"]
    first = "etcd" not in ports
    if first:
        chosen = free_ports(("etcd", "etcd_peer"))
        ports.update(chosen)
    server = etcd.Etcd(layout.path("etcd"), layout.path("tls"),
                       ports={"client": ports["etcd"], "peer": ports["etcd_peer"]})
    server.start()
    if first:
        server.secure()
        for node in REGISTER_NODES:
            server.add_node(node, layout.environment()["etcd_key"])
        layout.save()


def stop(layout, server):
    processes.stop(layout.path(server, "pid"))


def create(layout, options):
    """A new lab: choices, keys, certificates, seed."""
    os.makedirs(layout.folder, mode=0o700, exist_ok=True)
    layout.settings = {
        "seed": options.seed, "people": options.people, "groups": options.groups,
        "sessionlog": options.sessionlog, "token_seconds": options.token_seconds,
        "ports": free_ports(PORTS), "certificates": {server: "good" for server in SERVERS},
    }
    stock.fill(layout, make)
    layout.save()


def make(layout):
    """What does not depend on where the lab is, nor on its ports."""
    stock.fill(layout, make_keys, choices=())
    directory.seed(layout)


def make_keys(layout):
    certificates.make_all(layout.path("tls"))
    services.make_secrets(layout)


def command_up(layout, options):
    if layout.exists:
        layout.load()
    else:
        create(layout, options)
    try:
        with concurrent.futures.ThreadPoolExecutor(len(SERVERS)) as pool:
            list(pool.map(lambda server: start(layout, server), SERVERS))
    except LabError:
        command_down(layout, options)
        raise
    env = layout.environment()
    return f"{env['ldaps_uri']} {env['token_url']} {env['scim_url']}\n"


def command_down(layout, _options):
    for server in reversed(SERVERS + ON_DEMAND):
        stop(layout, server)


def command_restart(layout, options):
    layout.load()
    if options.certificate:
        layout.settings["certificates"][options.server] = options.certificate
    if options.sessionlog and options.server == "slapd":
        layout.settings["sessionlog"] = options.sessionlog
    layout.save()
    stop(layout, options.server)
    start(layout, options.server)


def command_stop(layout, options):
    stop(layout.load(), options.server)


def command_start(layout, options):
    start(layout.load(), options.server)


def command_env(layout, options):
    env = layout.load().environment()
    for server in SERVERS + (ON_DEMAND if "etcd_url" in env else ()):
        env[f"{server}_pid"] = processes.running(layout.path(server, "pid")) or 0
    if options.json:
        return json.dumps(env, indent=1) + "\n"
    return "".join(f"LAB_{name.upper()}='{value}'\n" for name, value in env.items())


def command_token(layout, _options):
    return services.token(layout.load()) + "\n"


def command_backup(layout, options):
    """Copy the directory's databases away; slapd is down meanwhile."""
    stop(layout.load(), "slapd")
    shutil.rmtree(options.folder, ignore_errors=True)
    directory.copy_data(layout.path("slapd"), options.folder)
    start(layout, "slapd")


def command_restore(layout, options):
    stop(layout.load(), "slapd")
    directory.copy_data(options.folder, layout.path("slapd"))
    start(layout, "slapd")


def command_change(layout, options):
    layout.load()
    if options.rename_unit:
        done = changes.rename_unit(layout, *options.rename_unit)
    elif options.set:
        done = changes.set_value(layout, *options.set)
    elif options.delete:
        done = changes.delete_people(layout, options.delete, options.spare_managers)
    else:
        done = changes.run(layout, options.seed, options.count)
    return json.dumps(done) + "\n"


def command_prefill(layout, options):
    made = tenant.Tenant(layout.load()).prefill_from_directory(options.others)
    return json.dumps({name: len(made[name]) for name in made}) + "\n"


def command_disturbed(layout, _options):
    """One line for each object of others that is not as it was at `prefill`."""
    here = tenant.Tenant(layout.load())
    found = here.disturbed(here.remembered()["foreign"])
    return "".join(f"{line}\n" for line in found)


def command_config(layout, options):
    return demo.config(layout.load(), options.state)


def arguments(words):
    parser = argparse.ArgumentParser(prog="lab", description="a directory, a SCIM provider and an OAuth server on loopback")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name, function, text):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("lab", metavar="DIR", help="the lab's folder")
        command.set_defaults(run=function)
        return command

    up = add("up", command_up, "start a lab, made first if DIR holds none")
    up.add_argument("--people", type=int, default=1000)
    up.add_argument("--groups", type=int, default=60)
    up.add_argument("--seed", type=int, default=1)
    up.add_argument("--sessionlog", choices=directory.SESSIONLOGS, default="memory")
    up.add_argument("--token-seconds", type=int, default=services.TOKEN_SECONDS)
    add("down", command_down, "stop what runs of it")
    restart = add("restart", command_restart, "stop and start one server")
    restart.add_argument("server", choices=SERVERS)
    restart.add_argument("--certificate", choices=certificates.KINDS)
    restart.add_argument("--sessionlog", choices=directory.SESSIONLOGS)
    for name, function in (("stop", command_stop), ("start", command_start)):
        add(name, function, f"{name} one server").add_argument("server", choices=SERVERS + ON_DEMAND)
    env = add("env", command_env, "print addresses, accounts and files, for a shell")
    env.add_argument("--json", action="store_true")
    add("token", command_token, "print a bearer token for the provider")
    for name, function in (("backup", command_backup), ("restore", command_restore)):
        add(name, function, f"{name} the directory's databases").add_argument("folder")
    change = add("change", command_change, "change the directory through LDAP and print what was done")
    change.add_argument("--seed", type=int, default=1)
    change.add_argument("--count", type=int, default=100)
    change.add_argument("--rename-unit", nargs=2, metavar=("OLD", "NEW"), help="only rename ou=OLD below ou=people")
    change.add_argument("--set", nargs=3, metavar=("DN", "ATTRIBUTE", "VALUE"), help="only replace one attribute")
    change.add_argument("--delete", metavar="FILTER", help="only delete people with mail; print their anchors")
    change.add_argument("--spare-managers", action="store_true", help="of those, delete nobody's manager")
    prefill = add("prefill", command_prefill, "make the empty provider one that was in use before")
    prefill.add_argument("--others", type=int, default=20, help="how many of another system")
    add("disturbed", command_disturbed, "print what became of the objects that were there and are not ours")
    config = add("config", command_config, "print a configuration of Twinsync for this lab")
    config.add_argument("--state", required=True, metavar="DIR", help="Twinsync's state directory")
    return parser.parse_args(words)


def run(words):
    """What the command prints; LabError or OSError when it could not do its work."""
    options = arguments(words)
    return options.run(Layout(options.lab), options) or ""
