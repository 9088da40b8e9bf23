"""What a process finds in its environment, place by place: as the Functions host's and Core Tools' sources set it."""

from collections.abc import Mapping

APP_SERVICE = {
    "APPSETTING_WEBSITE_SITE_NAME": "sluice",
    "HOME": "/home",
    "WEBSITE_HOSTNAME": "sluice.azurewebsites.net",
    "WEBSITE_OWNER_NAME": "00000000-0000-0000-0000-000000000000+group-region",
    "WEBSITE_SITE_NAME": "sluice",
    "WEBSITE_SLOT_NAME": "Production",
}
SIGN_IN_BY_APP_SERVICE = {
    "AUTH_MODE": "easyauth",
    "PUBLIC_URL": "https://exports.example.com",
    "SERVICE_TOKENS": "true",
    "WEBSITE_AUTH_ENABLED": "True",
    "WEBSITE_INSTANCE_ID": "0123456789abcdef",
}
"""The settings of an app whose callers App Service names, and that gives tokens to services."""
IDENTITY = {"IDENTITY_ENDPOINT": "http://127.0.0.1:41056/msi/token/", "IDENTITY_HEADER": "header"}
CLUSTER = {
    "KUBERNETES_PORT": "tcp://10.0.0.1:443",
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
    "KUBERNETES_SERVICE_PORT_HTTPS": "443",
}
IMAGE = {
    "ASPNETCORE_URLS": "http://+:80",
    "AzureWebJobsScriptRoot": "/home/site/wwwroot",
    "DOTNET_RUNNING_IN_CONTAINER": "true",
    "HOME": "/home",
}
"""Set in the images of the Functions host."""

PLATFORMS: Mapping[str, Mapping[str, str]] = {
    "Flex Consumption": {
        **APP_SERVICE,
        **IDENTITY,
        "CONTAINER_NAME": "0--a1b2c3d4",
        "FUNCTIONS_TARGET_GROUP": "http",
        "LEGION_SERVICE_HOST": "10.0.1.2",
        "WEBSITE_POD_NAME": "0--a1b2c3d4",
        "WEBSITE_SKU": "FlexConsumption",
    },
    "Flex Consumption before it knows its app": {
        "CONTAINER_NAME": "0--a1b2c3d4",
        "LEGION_SERVICE_HOST": "10.0.1.2",
        "WEBSITE_PLACEHOLDER_MODE": "1",
    },
    "Linux Consumption": {
        **APP_SERVICE,
        "CONTAINER_ENCRYPTION_KEY": "a2V5",
        "CONTAINER_NAME": "A1B2C3D4-638400000000000000",
        "MSI_ENDPOINT": "http://169.254.131.4:8081/msi/token",
        "MSI_SECRET": "secret",
        "WEBSITE_SKU": "Dynamic",
    },
    "Windows Consumption": {**APP_SERVICE, "WEBSITE_INSTANCE_ID": "0123456789abcdef", "WEBSITE_SKU": "Dynamic"},
    "Premium": {
        **APP_SERVICE,
        **IDENTITY,
        "FUNCTIONS_LOGS_MOUNT_PATH": "/var/log",
        "WEBSITE_INSTANCE_ID": "0123456789abcdef",
        "WEBSITE_SKU": "ElasticPremium",
    },
    "Dedicated": {
        **APP_SERVICE,
        "FUNCTIONS_LOGS_MOUNT_PATH": "/var/log",
        "WEBSITE_INSTANCE_ID": "0123456789abcdef",
        "WEBSITE_SKU": "Standard",
    },
    "Container Apps": {
        **IMAGE,
        **CLUSTER,
        **IDENTITY,
        "CONTAINER_APP_ENV_DNS_SUFFIX": "happyhill-01234567.westeurope.azurecontainerapps.io",
        "CONTAINER_APP_HOSTNAME": "sluice--20mh1s9.happyhill-01234567.westeurope.azurecontainerapps.io",
        "CONTAINER_APP_NAME": "sluice",
        "CONTAINER_APP_REPLICA_NAME": "sluice--20mh1s9-86c8c4b497-zx9bq",
        "CONTAINER_APP_REVISION": "sluice--20mh1s9",
    },
    "Functions on Container Apps": {
        **IMAGE,
        **CLUSTER,
        "CONTAINER_APP_NAME": "sluice",
        "MANAGED_ENVIRONMENT": "true",
        "WEBSITE_SITE_NAME": "sluice",
    },
    "App Service on Kubernetes": {**IMAGE, **CLUSTER, "POD_NAME": "sluice-0", "POD_NAMESPACE": "appservice"},
    "Kubernetes": {**IMAGE, **CLUSTER},
    "Kubernetes with an image of one's own": {**CLUSTER},
    "Kubernetes with a workload identity": {
        "AZURE_FEDERATED_TOKEN_FILE": "/var/run/secrets/azure/tokens/azure-identity-token"
    },
    "Container Instances": {**IMAGE, "Fabric_NodeIPOrFQDN": "10.92.0.10"},
    "an Arc-enabled machine": {
        "IDENTITY_ENDPOINT": "http://localhost:40342/metadata/identity/oauth2/token",
        "IMDS_ENDPOINT": "http://localhost:40342",
    },
    "a bare container": {**IMAGE},
}
"""Where the service may be deployed."""

LOCAL: Mapping[str, Mapping[str, str]] = {
    "func start": {
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "AzureWebJobsScriptRoot": "/home/ada/sluice",
        "FUNCTIONS_CORETOOLS_ENVIRONMENT": "True",
        "WEBSITE_HOSTNAME": "localhost:7071",
    },
    "func start in a container of the host": {
        **IMAGE,
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "FUNCTIONS_CORETOOLS_ENVIRONMENT": "True",
        "WEBSITE_HOSTNAME": "localhost:7071",
    },
    "func start with settings that were fetched": {
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "FUNCTIONS_CORETOOLS_ENVIRONMENT": "True",
        "WEBSITE_HOSTNAME": "127.0.0.1:7071",
        "WEBSITE_RUN_FROM_PACKAGE": "1",
        "WEBSITE_TIME_ZONE": "Europe/Berlin",
    },
    "the embedded host": {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"},
}
"""Where somebody develops."""
