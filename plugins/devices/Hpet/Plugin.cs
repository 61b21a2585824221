[assembly: Vmm.Sdk.VmmPlugin("vmm.hpet", Description = "The high-precision event timer of PC chipsets")]
