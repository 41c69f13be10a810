"""The scenarios, by name: one file per subject, one function per scenario."""
import importlib
import pkgutil

SCENARIOS = {}


def scenario(name, title, limit=90):
    """Registers a function as a scenario, with the seconds after which it is given up."""
    def keep(function):
        SCENARIOS[name] = (title, limit, lambda lab: (setattr(lab, "title", title), function(lab)))
        return function
    return keep


for module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{module.name}")
