"""What crosses durable boundaries: inputs and outputs, instance ids, questions to the engine, histories."""
