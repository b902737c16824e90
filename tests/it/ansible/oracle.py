"""What Ansible makes of inventories and patterns: jobs as JSON on stdin, answers as JSON on stdout.

One process for all jobs. Uses the classes that `ansible` and `ansible-inventory` use themselves; a test asks those, too.
"""

import json
import os
import sys

from ansible import context
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader, init_plugin_loader
from ansible.vars.manager import VariableManager

OPTIONS = ("host", "port", "remote_user", "private_key_file")


def plain(value):
    """Without Ansible's tags; encrypted values by their type."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(v) for v in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)


def answer(job):
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=job["sources"])
    hosts = {}
    for pattern in job["patterns"]:
        try:
            hosts[pattern] = [str(h) for h in inventory.list_hosts(pattern)]
        except (AnsibleError, IndexError):
            hosts[pattern] = None
    variables = VariableManager(loader=loader, inventory=inventory)
    found = {}
    for name, host in inventory.hosts.items():
        these = variables.get_vars(host=host, include_hostvars=False)
        ssh = connection_loader.get("ansible.builtin.ssh", PlayContext(), os.devnull)
        ssh.set_options(var_options=these)
        found[str(name)] = {
            "vars": plain({k: v for k, v in these.items()}),
            "ssh": plain({o: ssh.get_option(o) for o in OPTIONS}),
        }
    return {"hosts": hosts, "found": found}


def main():
    context.CLIARGS = ImmutableDict({})
    init_plugin_loader()
    # Warnings are not answers.
    real, sys.stdout = sys.stdout, sys.stderr
    answers = [answer(job) for job in json.load(sys.stdin)]
    json.dump(answers, real)


main()
