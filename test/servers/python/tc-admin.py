"""What tc-admin manages in the tests: the roles of the file that ROLES names, in the form of listRoles, and one client."""

import json
import os

from tcadmin.appconfig import AppConfig
from tcadmin.resources import Client, Role

appconfig = AppConfig()


@appconfig.generators.register
async def roles(resources):
    resources.manage("Role=.*")
    with open(os.environ["ROLES"]) as file:
        entries = json.load(file)
    resources.update(Role(entry["roleId"], entry["description"], entry["scopes"]) for entry in entries)


@appconfig.generators.register
async def clients(resources):
    resources.manage("Client=managed/.*")
    resources.add(Client("managed/ci", "builds", ["assume:repo:github.com/example/*", "held:*"]))
