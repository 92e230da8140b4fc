"""All SQL of notify: deliveries and their queue, the CRM's status, people's wishes, the rules' versions."""
