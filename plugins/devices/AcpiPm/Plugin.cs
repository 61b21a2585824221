[assembly: Vmm.Sdk.VmmPlugin("vmm.acpi-pm", Description = "ACPI fixed hardware: power-management events, timer and soft-off")]
