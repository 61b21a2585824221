[assembly: Vmm.Sdk.VmmPlugin("vmm.kvm-paravirt", Description = "The paravirtual interface of KVM: identification, clock, hypercalls")]
